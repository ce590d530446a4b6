/* Handles and descriptors, the error of a call, and what the library says of itself. */
#define _GNU_SOURCE
#include "oci.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void OCIClientVersion(int *major, int *minor, int *update, int *patch, int *port_update) {
    *major = CLIENT_MAJOR;
    *minor = CLIENT_MINOR;
    *update = *patch = *port_update = 0;
}

int fail(void *error, int32_t code, const char *format, ...) {
    struct error *kept = error;
    if (!kept)
        return OCI_ERROR;
    char text[900];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    kept->code = code;
    snprintf(kept->message, sizeof kept->message, "ORA-%05d: %s\n", code, text);
    return OCI_ERROR;
}

int OCIErrorGet(void *handle, uint32_t record, char *sqlstate, int32_t *code, char *text, uint32_t room, uint32_t type) {
    (void)sqlstate;
    struct error *error = handle;
    if (record != 1 || type != HANDLE_ERROR || !error)
        return OCI_NO_DATA;
    *code = error->code;
    snprintf(text, room, "%s", error->message);
    return OCI_SUCCESS;
}

int OCIEnvNlsCreate(void **created, uint32_t mode, void *context, void *allocate, void *reallocate, void *release,
                    size_t extra, void **extra_memory, uint16_t charset, uint16_t ncharset) {
    (void)mode, (void)context, (void)allocate, (void)reallocate, (void)release, (void)extra, (void)extra_memory;
    struct environment *environment = calloc(1, sizeof *environment);
    environment->handle.type = HANDLE_ENV;
    environment->charset = charset ? charset : CHARSET_AL32UTF8;
    environment->ncharset = ncharset ? ncharset : CHARSET_AL32UTF8;
    *created = environment;
    return OCI_SUCCESS;
}

static size_t handle_size(uint32_t type) {
    switch (type) {
    case HANDLE_ERROR: return sizeof(struct error);
    case HANDLE_SERVICE: return sizeof(struct service);
    case HANDLE_SERVER: return sizeof(struct server);
    case HANDLE_SESSION: return sizeof(struct session);
    case HANDLE_TRANSACTION: return sizeof(struct handle);
    default: return 0;
    }
}

int OCIHandleAlloc(const void *parent, void **created, uint32_t type, size_t extra, void **extra_memory) {
    (void)parent, (void)extra, (void)extra_memory;
    size_t size = handle_size(type);
    if (size == 0)
        return OCI_INVALID_HANDLE;
    struct handle *handle = calloc(1, size);
    handle->type = type;
    if (type == HANDLE_SERVER) {
        struct server *server = (struct server *)handle;
        server->socket = -1;
        pthread_mutex_init(&server->sending, NULL);
    }
    *created = handle;
    return OCI_SUCCESS;
}

int OCIHandleFree(void *handle, uint32_t type) {
    if (!handle || ((struct handle *)handle)->type != type)
        return OCI_INVALID_HANDLE;
    if (type == HANDLE_SERVER)
        pthread_mutex_destroy(&((struct server *)handle)->sending);
    free(handle);
    return OCI_SUCCESS;
}

static size_t descriptor_size(uint32_t type) {
    switch (type) {
    case DESCRIPTOR_LOB: return sizeof(struct lob);
    case DESCRIPTOR_ROWID: return sizeof(struct rowid);
    case DESCRIPTOR_INTERVAL_YM:
    case DESCRIPTOR_INTERVAL_DS: return sizeof(struct interval);
    case DESCRIPTOR_TIMESTAMP:
    case DESCRIPTOR_TIMESTAMP_TZ:
    case DESCRIPTOR_TIMESTAMP_LTZ: return sizeof(struct moment);
    default: return 0;
    }
}

/* The descriptors of an array lie in one block: the first of them stands for all when it is freed. */
int OCIArrayDescriptorAlloc(const void *parent, void **created, const uint32_t type, uint32_t count,
                            const size_t extra, void **extra_memory) {
    (void)parent, (void)extra, (void)extra_memory;
    size_t size = descriptor_size(type);
    if (size == 0)
        return OCI_INVALID_HANDLE;
    uint8_t *block = calloc(count, size);
    for (uint32_t at = 0; at < count; at++) {
        created[at] = block + at * size;
        ((struct handle *)created[at])->type = type;
    }
    return OCI_SUCCESS;
}

int OCIDescriptorAlloc(const void *parent, void **created, const uint32_t type, const size_t extra,
                       void **extra_memory) {
    return OCIArrayDescriptorAlloc(parent, created, type, 1, extra, extra_memory);
}

int OCIArrayDescriptorFree(void **descriptors, const uint32_t type) {
    (void)type;
    free(descriptors[0]);
    return OCI_SUCCESS;
}

int OCIDescriptorFree(void *descriptor, const uint32_t type) {
    if (type == DESCRIPTOR_LOB)
        free(((struct lob *)descriptor)->bytes);
    free(descriptor);
    return OCI_SUCCESS;
}

void OCIThreadProcessInit(void) {}

int OCIThreadKeyInit(void *handle, void *error, void **created, void (*release)(void *)) {
    (void)handle, (void)error;
    pthread_key_t *key = malloc(sizeof *key);
    pthread_key_create(key, release);
    *created = key;
    return OCI_SUCCESS;
}

int OCIThreadKeyDestroy(void *handle, void *error, void **key) {
    (void)handle, (void)error;
    pthread_key_delete(*(pthread_key_t *)*key);
    free(*key);
    *key = NULL;
    return OCI_SUCCESS;
}

int OCIThreadKeyGet(void *handle, void *error, void *key, void **value) {
    (void)handle, (void)error;
    *value = pthread_getspecific(*(pthread_key_t *)key);
    return OCI_SUCCESS;
}

int OCIThreadKeySet(void *handle, void *error, void *key, void *value) {
    (void)handle, (void)error;
    pthread_setspecific(*(pthread_key_t *)key, value);
    return OCI_SUCCESS;
}

int OCINlsNumericInfoGet(void *environment, void *error, int32_t *value, uint16_t item) {
    (void)environment, (void)error, (void)item;
    *value = 4; /* bytes that a character of AL32UTF8 takes at most: the one thing that is asked */
    return OCI_SUCCESS;
}

int OCINlsEnvironmentVariableGet(void *value, size_t size, uint16_t item, uint16_t charset, size_t *length) {
    (void)size, (void)item, (void)charset;
    *(uint16_t *)value = CHARSET_AL32UTF8;
    *length = sizeof(uint16_t);
    return OCI_SUCCESS;
}

/* Used for time zones alone, which are ASCII. */
int OCINlsCharSetConvert(void *environment, void *error, uint16_t to, void *target, size_t room, uint16_t from,
                         const void *source, size_t length, size_t *written) {
    (void)environment, (void)error, (void)to, (void)from;
    *written = length < room ? length : room;
    memcpy(target, source, *written);
    return OCI_SUCCESS;
}
