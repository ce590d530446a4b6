/* Connecting, logging in, transactions, breaks. */
#include "wire.h"

#include <stdio.h>
#include <string.h>

enum { CREDENTIALS_EXTERNAL = 2 };

int OCIServerAttach(void *handle, void *error, const char *connect_string, int32_t length, uint32_t mode) {
    (void)mode;
    return wire_connect(handle, connect_string, length, error);
}

int OCIServerDetach(void *handle, void *error, uint32_t mode) {
    (void)error, (void)mode;
    wire_close(handle);
    return OCI_SUCCESS;
}

int OCISessionBegin(void *handle, void *error, void *session_handle, uint32_t credentials, uint32_t mode) {
    (void)mode;
    struct service *service = handle;
    struct session *session = session_handle;
    struct server *server = service->server;
    struct message request = message_new('L'), reply;
    put_text(&request, session->user, strlen(session->user));
    put_text(&request, session->password, strlen(session->password));
    put_text(&request, server->service, strlen(server->service));
    put_number(&request, credentials == CREDENTIALS_EXTERNAL);
    put_text(&request, session->driver, strlen(session->driver));
    int status = ask(server, &request, &reply, service->call_timeout_ms, error);
    if (status != OCI_SUCCESS)
        return status;
    const uint8_t *text;
    uint32_t length;
    take_text(&reply, &text, &length);
    snprintf(server->banner, sizeof server->banner, "%.*s", (int)length, text);
    server->version = take_number(&reply);
    int32_t warning = take_number(&reply);
    take_text(&reply, &text, &length);
    if (warning)
        fail(error, warning, "%.*s", (int)length, text);
    message_free(&reply);
    return warning ? OCI_SUCCESS_WITH_INFO : OCI_SUCCESS;
}

int OCISessionEnd(void *handle, void *error, void *session, uint32_t mode) {
    (void)error, (void)session, (void)mode;
    struct message request = message_new('Q');
    tell(((struct service *)handle)->server, &request);
    return OCI_SUCCESS;
}

static int do_plainly(struct service *service, const char *what, void *error) {
    struct message request = message_new('T'), reply;
    put_text(&request, what, strlen(what));
    int status = ask(service->server, &request, &reply, service->call_timeout_ms, error);
    if (status == OCI_SUCCESS)
        message_free(&reply);
    return status;
}

int OCITransCommit(void *handle, void *error, uint32_t flags) {
    (void)flags;
    struct service *service = handle;
    service->session->in_transaction = false;
    return do_plainly(service, "COMMIT", error);
}

int OCITransRollback(void *handle, void *error, uint32_t flags) {
    (void)flags;
    struct service *service = handle;
    service->session->in_transaction = false;
    return do_plainly(service, "ROLLBACK", error);
}

int OCIPing(void *handle, void *error, uint32_t mode) {
    (void)mode;
    return do_plainly(handle, "PING", error);
}

int OCIBreak(void *handle, void *error) {
    (void)error;
    struct message request = message_new('B');
    tell(((struct service *)handle)->server, &request);
    return OCI_SUCCESS;
}

int OCIServerRelease2(void *handle, void *error, char *text, uint32_t room, uint8_t type, uint32_t *version,
                      uint32_t mode) {
    (void)error, (void)type, (void)mode;
    const struct server *server = ((struct service *)handle)->server;
    if (text)
        snprintf(text, room, "%s", server->banner);
    *version = server->version;
    return OCI_SUCCESS;
}

int OCIServerRelease(void *handle, void *error, char *text, uint32_t room, uint8_t type, uint32_t *version) {
    return OCIServerRelease2(handle, error, text, room, type, version, 0);
}
