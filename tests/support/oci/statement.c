/* Preparing, binding, executing, describing and fetching. */
#define _GNU_SOURCE
#include "wire.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KIND_SELECT = 1, KIND_ALTER = 7, FETCH_NEXT = 2 };

static const struct { const char *word; uint16_t kind; } KINDS[] = {
    { "SELECT", KIND_SELECT }, { "WITH", KIND_SELECT }, { "UPDATE", 2 }, { "DELETE", 3 },  { "INSERT", 4 },
    { "CREATE", 5 },           { "DROP", 6 },           { "ALTER", KIND_ALTER }, { "BEGIN", 8 }, { "DECLARE", 9 },
    { "CALL", 10 },            { "EXPLAIN", 15 },       { "MERGE", 16 }, { "ROLLBACK", 17 }, { "COMMIT", 21 },
};

static uint16_t kind_of(const char *sql) {
    sql += strspn(sql, " \t\r\n(");
    for (size_t at = 0; at < sizeof KINDS / sizeof *KINDS; at++) {
        size_t length = strlen(KINDS[at].word);
        if (strncasecmp(sql, KINDS[at].word, length) == 0 && !isalnum((unsigned char)sql[length]))
            return KINDS[at].kind;
    }
    return 0;
}

static bool is_word(char letter) {
    return isalnum((unsigned char)letter) || letter == '_' || letter == '$' || letter == '#';
}

/* Keeps the names of the placeholders in their order, each as often as it stands there. */
static void find_placeholders(struct statement *statement) {
    char quote = 0;
    for (const char *at = statement->sql; *at; at++) {
        if (quote || *at == '\'' || *at == '"') {
            quote = quote == *at ? 0 : quote ? quote : *at;
            continue;
        }
        if (*at != ':' || !is_word(at[1]))
            continue;
        const char *start = ++at;
        while (is_word(at[1]))
            at++;
        statement->names = realloc(statement->names, (statement->name_count + 1) * sizeof(char *));
        char *name = strndup(start, at + 1 - start);
        for (char *letter = name; *letter; letter++)
            *letter = toupper((unsigned char)*letter);
        statement->names[statement->name_count++] = name;
    }
}

int OCIStmtPrepare2(void *service, void **created, void *error, const char *sql, uint32_t length, const char *key,
                    uint32_t key_length, uint32_t language, uint32_t mode) {
    (void)error, (void)key, (void)key_length, (void)language, (void)mode;
    static uint32_t last_cursor;
    struct statement *statement = calloc(1, sizeof *statement);
    statement->handle.type = HANDLE_STATEMENT;
    statement->service = service;
    statement->sql = strndup(sql, length);
    statement->sql_length = length;
    statement->kind = kind_of(statement->sql);
    statement->cursor = __atomic_add_fetch(&last_cursor, 1, __ATOMIC_RELAXED);
    find_placeholders(statement);
    *created = statement;
    return OCI_SUCCESS;
}

static void forget_columns(struct columns *columns) {
    while (columns) {
        struct columns *older = columns->older;
        for (uint32_t at = 0; at < columns->count; at++)
            free(columns->items[at].name);
        free(columns->items);
        free(columns);
        columns = older;
    }
}

int OCIStmtRelease(void *handle, void *error, const char *key, uint32_t key_length, uint32_t mode) {
    (void)error, (void)key, (void)key_length, (void)mode;
    struct statement *statement = handle;
    struct message request = message_new('C');
    put_number(&request, statement->cursor);
    tell(statement->service->server, &request);
    for (uint32_t at = 0; at < statement->name_count; at++)
        free(statement->names[at]);
    while (statement->binds) {
        struct bind *next = statement->binds->next;
        free(statement->binds->name);
        free(statement->binds);
        statement->binds = next;
    }
    forget_columns(statement->columns);
    free(statement->names);
    free(statement->defines);
    free(statement->sql);
    free(statement);
    return OCI_SUCCESS;
}

int OCIStmtGetBindInfo(void *handle, void *error, uint32_t size, uint32_t start, int32_t *found, char *names[],
                       uint8_t lengths[], char *indicators[], uint8_t indicator_lengths[], uint8_t repeated[],
                       void *binds[]) {
    (void)error, (void)indicators;
    struct statement *statement = handle;
    if (start > statement->name_count)
        return OCI_NO_DATA;
    for (uint32_t at = 0; at < size && start - 1 + at < statement->name_count; at++) {
        uint32_t place = start - 1 + at;
        names[at] = statement->names[place];
        lengths[at] = strlen(names[at]);
        indicator_lengths[at] = 0;
        binds[at] = NULL;
        repeated[at] = 0;
        for (uint32_t before = 0; before < place; before++)
            repeated[at] |= strcmp(statement->names[before], names[at]) == 0;
    }
    /* Negative while there are more than were asked for. */
    *found = statement->name_count - (start - 1) > size ? -(int32_t)statement->name_count
                                                        : (int32_t)statement->name_count;
    return OCI_SUCCESS;
}

int OCIBindByName2(void *handle, void **created, void *error, const char *name, int32_t name_length, void *value,
                   int64_t size, uint16_t type, void *indicator, uint32_t *length, uint16_t *code,
                   uint32_t array_room, uint32_t *array_size, uint32_t mode) {
    (void)code, (void)array_room, (void)array_size, (void)mode;
    struct statement *statement = handle;
    name += *name == ':';
    bool is_known = false;
    for (uint32_t at = 0; at < statement->name_count; at++)
        is_known |= strlen(statement->names[at]) == (size_t)name_length
                    && strncasecmp(statement->names[at], name, name_length) == 0;
    if (!is_known)
        return fail(error, 1036, "illegal variable name/number");
    struct bind *bind = statement->binds;
    while (bind && !(strlen(bind->name) == (size_t)name_length && strncasecmp(bind->name, name, name_length) == 0))
        bind = bind->next;
    if (!bind) {
        bind = calloc(1, sizeof *bind);
        bind->handle.type = HANDLE_BIND;
        bind->name = strndup(name, name_length);
        bind->next = statement->binds;
        statement->binds = bind;
    }
    bind->value = value;
    bind->size = size;
    bind->type = type;
    bind->charset_form = 0;
    bind->indicator = indicator;
    bind->length = length;
    *created = bind;
    return OCI_SUCCESS;
}

/* A position counts every placeholder that has a name of its own. */
int OCIBindByPos2(void *handle, void **created, void *error, uint32_t position, void *value, int64_t size,
                  uint16_t type, void *indicator, uint32_t *length, uint16_t *code, uint32_t array_room,
                  uint32_t *array_size, uint32_t mode) {
    struct statement *statement = handle;
    if (position == 0 || position > statement->name_count)
        return fail(error, 1036, "illegal variable name/number");
    const char *name = statement->names[position - 1];
    return OCIBindByName2(handle, created, error, name, strlen(name), value, size, type, indicator, length, code,
                          array_room, array_size, mode);
}

/* A name that stands twice is bound once. */
static uint32_t count_names(const struct statement *statement) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < statement->name_count; at++) {
        uint32_t before = 0;
        while (before < at && strcmp(statement->names[before], statement->names[at]) != 0)
            before++;
        count += before == at;
    }
    return count;
}

static void put_bind(struct message *request, const struct bind *bind) {
    char text[512];
    const uint8_t *bytes;
    put_text(request, bind->name, strlen(bind->name));
    const char *type = bind_type(bind);
    put_text(request, type, strlen(type));
    int64_t length = bind_text(bind, text, &bytes);
    if (length < 0)
        put_null(request);
    else
        put_text(request, bytes, length);
}

static void take_column(struct message *reply, struct column *column) {
    const uint8_t *name;
    uint32_t length;
    take_text(reply, &name, &length);
    column->handle.type = HANDLE_DESCRIBE;
    column->name = strndup((const char *)name, length);
    column->type = take_number(reply);
    column->charset_form = take_number(reply);
    column->precision = take_number(reply);
    column->scale = take_number(reply);
    column->bytes = take_number(reply);
    column->characters = take_number(reply);
    column->nullable = take_number(reply);
}

int OCIStmtExecute(void *service_handle, void *handle, void *error, uint32_t rounds, uint32_t offset,
                   const void *snapshot_in, void *snapshot_out, uint32_t mode) {
    (void)rounds, (void)offset, (void)snapshot_in, (void)snapshot_out, (void)mode;
    struct service *service = service_handle;
    struct statement *statement = handle;
    uint32_t bound = 0;
    for (struct bind *bind = statement->binds; bind; bind = bind->next)
        bound++;
    if (bound < count_names(statement))
        return fail(error, 1008, "not all variables bound");
    struct message request = message_new('X'), reply;
    put_number(&request, statement->cursor);
    put_text(&request, statement->sql, statement->sql_length);
    put_number(&request, statement->prefetch_rows);
    put_number(&request, bound);
    for (struct bind *bind = statement->binds; bind; bind = bind->next)
        put_bind(&request, bind);
    int status = ask(service->server, &request, &reply, service->call_timeout_ms, error);
    if (status != OCI_SUCCESS)
        return status;
    statement->done = false;
    statement->changed_rows = take_number(&reply);
    struct columns *columns = calloc(1, sizeof *columns);
    columns->older = statement->columns;
    columns->count = take_number(&reply);
    columns->items = calloc(columns->count + 1, sizeof *columns->items);
    for (uint32_t at = 0; at < columns->count; at++)
        take_column(&reply, &columns->items[at]);
    statement->columns = columns;
    message_free(&reply);
    if (statement->kind != KIND_SELECT && statement->kind != KIND_ALTER)
        service->session->in_transaction = true;
    return OCI_SUCCESS;
}

int OCIDefineByPos2(void *handle, void **created, void *error, uint32_t position, void *values, uint64_t size,
                    uint16_t type, void *indicators, uint32_t *lengths, uint16_t *codes, uint32_t mode) {
    (void)mode;
    struct statement *statement = handle;
    if (!statement->columns || position == 0 || position > statement->columns->count)
        return fail(error, 1007, "variable not in select list");
    if (statement->define_count < statement->columns->count) {
        free(statement->defines);
        statement->define_count = statement->columns->count;
        statement->defines = calloc(statement->define_count, sizeof *statement->defines);
    }
    struct define *define = &statement->defines[position - 1];
    *define = (struct define){ .handle = { HANDLE_DEFINE }, .values = values, .size = size, .type = type,
                               .indicators = indicators, .lengths = lengths, .codes = codes };
    *created = define;
    return OCI_SUCCESS;
}

int OCIDefineDynamic(void *handle, void *error, void *context, void *room) {
    (void)error;
    struct define *define = handle;
    define->context = context;
    define->room = room;
    return OCI_SUCCESS;
}

int OCIStmtFetch2(void *handle, void *error, uint32_t rows, uint16_t orientation, int32_t offset, uint32_t mode) {
    (void)offset, (void)mode;
    struct statement *statement = handle;
    struct service *service = statement->service;
    statement->fetched_rows = 0;
    if (orientation != FETCH_NEXT)
        return fail(error, 24391, "invalid fetch operation");
    if (statement->done)
        return fail(error, 1002, "fetch out of sequence");
    struct message request = message_new('F'), reply;
    put_number(&request, statement->cursor);
    put_number(&request, rows);
    int status = ask(service->server, &request, &reply, service->call_timeout_ms, error);
    if (status != OCI_SUCCESS)
        return status;
    statement->done = take_number(&reply);
    uint32_t count = take_number(&reply);
    for (uint32_t row = 0; row < count && status == OCI_SUCCESS; row++) {
        for (uint32_t at = 0; at < statement->columns->count && status == OCI_SUCCESS; at++) {
            const uint8_t *bytes;
            uint32_t length;
            bool is_null = !take_text(&reply, &bytes, &length);
            status = store_cell(&statement->defines[at], row, bytes, length, is_null, error);
        }
    }
    message_free(&reply);
    if (status != OCI_SUCCESS)
        return status;
    statement->fetched_rows = count;
    return statement->done ? OCI_NO_DATA : OCI_SUCCESS;
}
