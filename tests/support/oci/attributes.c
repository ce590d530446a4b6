/* Attributes of handles: what ODPI-C sets and asks. */
#define _GNU_SOURCE
#include "oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number of an attribute means different things on different handles. */
enum attribute {
    COLUMN_BYTES = 1, COLUMN_TYPE = 2, COLUMN_NAME = 4, COLUMN_PRECISION = 5, COLUMN_SCALE = 6, COLUMN_NULLABLE = 7,
    SERVICE_SERVER = 6, SERVICE_SESSION = 7, SERVICE_TRANSACTION = 8,
    STATEMENT_ROW_COUNT = 9, STATEMENT_FUNCTION = 10, STATEMENT_PREFETCH_ROWS = 11, STATEMENT_COLUMN_COUNT = 18,
    SESSION_USER = 22, SESSION_PASSWORD = 23, STATEMENT_KIND = 24, CHARSET_ID = 31, CHARSET_FORM = 32,
    STATEMENT_ERROR_OFFSET = 129, SERVER_STATUS = 143, STATEMENT_TEXT = 144, SERVICE_CACHE_SIZE = 176,
    STATEMENT_BIND_COUNT = 190, STATEMENT_ROWS_FETCHED = 197, STATEMENT_IS_RETURNING = 218, NCHARSET_ID = 262,
    COLUMN_CHARACTERS = 286, SESSION_DRIVER = 424, STATEMENT_CHANGED_ROWS = 457, ERROR_IS_RECOVERABLE = 472,
    SESSION_IN_TRANSACTION = 484, SERVICE_CALL_TIMEOUT = 531, COLUMN_IS_JSON = 534, COLUMN_IS_OSON = 623,
    COLUMN_DOMAIN_SCHEMA = 659, COLUMN_DOMAIN_NAME = 660, COLUMN_ANNOTATIONS = 687,
};

/* SQL function code of ALTER SESSION, the one DDL that is run here. */
enum { FUNCTION_ALTER_SESSION = 52 };

#define GIVE(type, expression) (*(type *)value = (expression), OCI_SUCCESS)

static int unknown(void *error, const char *handle, uint32_t attribute) {
    return fail(error, 24315, "illegal attribute type %u of a %s handle", attribute, handle);
}

static int give_text(void *value, uint32_t *size, const char *text) {
    *(const char **)value = text;
    *size = strlen(text);
    return OCI_SUCCESS;
}

static int get_of_column(const struct column *column, void *value, uint32_t *size, uint32_t attribute, void *error) {
    switch (attribute) {
    case COLUMN_NAME: return give_text(value, size, column->name);
    case COLUMN_TYPE: return GIVE(uint16_t, column->type);
    case COLUMN_BYTES: return GIVE(uint16_t, column->bytes);
    case COLUMN_CHARACTERS: return GIVE(uint16_t, column->characters);
    case COLUMN_PRECISION: return GIVE(int16_t, column->precision);
    case COLUMN_SCALE: return GIVE(int8_t, column->scale);
    case COLUMN_NULLABLE: return GIVE(uint8_t, column->nullable);
    case CHARSET_FORM: return GIVE(uint8_t, column->charset_form);
    case COLUMN_IS_JSON:
    case COLUMN_IS_OSON: return GIVE(uint8_t, 0);
    case COLUMN_DOMAIN_SCHEMA:
    case COLUMN_DOMAIN_NAME: return give_text(value, size, "");
    case COLUMN_ANNOTATIONS: return GIVE(uint32_t, 0);
    default: return unknown(error, "column", attribute);
    }
}

static int get_of_statement(const struct statement *statement, void *value, uint32_t *size, uint32_t attribute,
                            void *error) {
    switch (attribute) {
    case STATEMENT_KIND: return GIVE(uint16_t, statement->kind);
    case STATEMENT_TEXT: return give_text(value, size, statement->sql);
    case STATEMENT_FUNCTION: return GIVE(uint16_t, FUNCTION_ALTER_SESSION);
    case STATEMENT_COLUMN_COUNT: return GIVE(uint32_t, statement->columns ? statement->columns->count : 0);
    case STATEMENT_BIND_COUNT: return GIVE(uint32_t, statement->name_count);
    case STATEMENT_ROWS_FETCHED: return GIVE(uint32_t, statement->fetched_rows);
    case STATEMENT_ROW_COUNT: return GIVE(uint32_t, statement->changed_rows);
    case STATEMENT_CHANGED_ROWS: return GIVE(uint64_t, statement->changed_rows);
    case STATEMENT_ERROR_OFFSET: return GIVE(uint16_t, 0);
    case STATEMENT_IS_RETURNING: return GIVE(uint8_t, 0);
    default: return unknown(error, "statement", attribute);
    }
}

static int get_of_service(const struct service *service, void *value, uint32_t attribute, void *error) {
    switch (attribute) {
    case SERVICE_SERVER: return GIVE(void *, service->server);
    case SERVICE_SESSION: return GIVE(void *, service->session);
    case SERVICE_CACHE_SIZE: return GIVE(uint32_t, service->cache_size);
    case SERVICE_CALL_TIMEOUT: return GIVE(uint32_t, service->call_timeout_ms);
    default: return unknown(error, "service", attribute);
    }
}

static int get_of_environment(const struct environment *environment, void *value, uint32_t attribute, void *error) {
    switch (attribute) {
    case CHARSET_ID: return GIVE(uint16_t, environment->charset);
    case NCHARSET_ID: return GIVE(uint16_t, environment->ncharset);
    default: return unknown(error, "environment", attribute);
    }
}

static int get_of_server(const struct server *server, void *value, uint32_t attribute, void *error) {
    switch (attribute) {
    case SERVER_STATUS: return GIVE(uint32_t, server->connected);
    case CHARSET_ID: return GIVE(uint16_t, CHARSET_AL32UTF8);
    default: return unknown(error, "server", attribute);
    }
}

int OCIAttrGet(const void *handle, uint32_t type, void *value, uint32_t *size, uint32_t attribute, void *error) {
    switch (type) {
    case HANDLE_ENV: return get_of_environment(handle, value, attribute, error);
    case HANDLE_SERVICE: return get_of_service(handle, value, attribute, error);
    case HANDLE_SERVER: return get_of_server(handle, value, attribute, error);
    case HANDLE_STATEMENT: return get_of_statement(handle, value, size, attribute, error);
    case HANDLE_DESCRIBE: return get_of_column(handle, value, size, attribute, error);
    case HANDLE_ERROR:
        return attribute == ERROR_IS_RECOVERABLE ? GIVE(int, 0) : unknown(error, "error", attribute);
    case HANDLE_SESSION:
        if (attribute == SESSION_IN_TRANSACTION)
            return GIVE(int, ((const struct session *)handle)->in_transaction);
        return unknown(error, "session", attribute);
    default: return OCI_INVALID_HANDLE;
    }
}

static int set_of_session(struct session *session, const char *value, uint32_t size, uint32_t attribute, void *error) {
    char *target = attribute == SESSION_USER       ? session->user
                   : attribute == SESSION_PASSWORD ? session->password
                   : attribute == SESSION_DRIVER   ? session->driver
                                                   : NULL;
    if (!target)
        return unknown(error, "session", attribute);
    snprintf(target, sizeof session->user, "%.*s", (int)size, value);
    return OCI_SUCCESS;
}

static int set_of_service(struct service *service, void *value, uint32_t attribute, void *error) {
    switch (attribute) {
    case SERVICE_SERVER: service->server = value; return OCI_SUCCESS;
    case SERVICE_SESSION: service->session = value; return OCI_SUCCESS;
    case SERVICE_TRANSACTION: return OCI_SUCCESS;
    case SERVICE_CACHE_SIZE: service->cache_size = *(uint32_t *)value; return OCI_SUCCESS;
    case SERVICE_CALL_TIMEOUT: service->call_timeout_ms = *(uint32_t *)value; return OCI_SUCCESS;
    default: return unknown(error, "service", attribute);
    }
}

int OCIAttrSet(void *handle, uint32_t type, void *value, uint32_t size, uint32_t attribute, void *error) {
    switch (type) {
    case HANDLE_SESSION: return set_of_session(handle, value, size, attribute, error);
    case HANDLE_SERVICE: return set_of_service(handle, value, attribute, error);
    case HANDLE_STATEMENT:
        if (attribute != STATEMENT_PREFETCH_ROWS)
            return unknown(error, "statement", attribute);
        ((struct statement *)handle)->prefetch_rows = *(uint32_t *)value;
        return OCI_SUCCESS;
    case HANDLE_BIND:
        if (attribute == CHARSET_FORM)
            ((struct bind *)handle)->charset_form = *(uint8_t *)value;
        return OCI_SUCCESS;
    case HANDLE_DEFINE: return OCI_SUCCESS; /* character set form and sizes: every text here is UTF-8 */
    default: return unknown(error, "unknown", attribute);
    }
}

/* ODPI-C frees what it got and keeps the name, which stays with the statement. */
int OCIParamGet(const void *handle, uint32_t type, void *error, void **created, uint32_t position) {
    const struct statement *statement = handle;
    if (type != HANDLE_STATEMENT || !statement->columns || position == 0 || position > statement->columns->count)
        return fail(error, 24334, "no descriptor for this position");
    struct column *copy = malloc(sizeof *copy);
    *copy = statement->columns->items[position - 1];
    *created = copy;
    return OCI_SUCCESS;
}
