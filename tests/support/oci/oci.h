/*
 * A stand-in for Oracle's client library, for tests: the calls that ODPI-C makes to connect, to run
 * statements and to fetch rows. It keeps no data. What a statement answers comes over TCP from the test
 * (see `wire.h` for the messages), so that connections break, stall and come back as real ones do.
 *
 * Names, numbers and shapes of the calls are those of the Oracle Call Interface.
 */
#ifndef OCI_H
#define OCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The release that this library says it is. */
#ifndef CLIENT_MAJOR
#define CLIENT_MAJOR 21
#endif
enum { CLIENT_MINOR = 13 };

enum status { OCI_SUCCESS = 0, OCI_SUCCESS_WITH_INFO = 1, OCI_NO_DATA = 100, OCI_ERROR = -1, OCI_INVALID_HANDLE = -2, OCI_CONTINUE = -24200 };

enum handle_type {
    HANDLE_ENV = 1, HANDLE_ERROR = 2, HANDLE_SERVICE = 3, HANDLE_STATEMENT = 4, HANDLE_BIND = 5,
    HANDLE_DEFINE = 6, HANDLE_DESCRIBE = 7, HANDLE_SERVER = 8, HANDLE_SESSION = 9, HANDLE_TRANSACTION = 10,
};

enum descriptor_type {
    DESCRIPTOR_LOB = 50, DESCRIPTOR_PARAM = 53, DESCRIPTOR_ROWID = 54, DESCRIPTOR_INTERVAL_YM = 62,
    DESCRIPTOR_INTERVAL_DS = 63, DESCRIPTOR_TIMESTAMP = 68, DESCRIPTOR_TIMESTAMP_TZ = 69,
    DESCRIPTOR_TIMESTAMP_LTZ = 70,
};

/* Types of columns, of the buffers they are fetched into, and of binds. */
enum sqlt {
    SQLT_CHR = 1, SQLT_NUM = 2, SQLT_INT = 3, SQLT_VNU = 6, SQLT_BFLOAT = 21, SQLT_BDOUBLE = 22, SQLT_BIN = 23,
    SQLT_UIN = 68, SQLT_AFC = 96, SQLT_RDD = 104, SQLT_CLOB = 112, SQLT_BLOB = 113, SQLT_ODT = 156,
    SQLT_TIMESTAMP = 187, SQLT_TIMESTAMP_TZ = 188, SQLT_INTERVAL_YM = 189, SQLT_INTERVAL_DS = 190,
    SQLT_TIMESTAMP_LTZ = 232,
};

enum { CHARSET_AL32UTF8 = 873, NUMBER_BYTES = 22, INDICATOR_NULL = -1 };

/* The first member of every handle, so that one of another type is told. */
struct handle { uint32_t type; };

struct environment { struct handle handle; uint16_t charset, ncharset; };

struct error { struct handle handle; int32_t code; char message[1024]; };

struct server {
    struct handle handle;
    int socket;
    /* A call that was cut off leaves no connection behind that could be used. */
    bool connected;
    /* Breaks come from other threads while a call waits. */
    pthread_mutex_t sending;
    char service[256];
    char banner[256];
    uint32_t version;
};

struct session {
    struct handle handle;
    char user[256], password[256], driver[256];
    bool in_transaction;
};

struct service {
    struct handle handle;
    struct server *server;
    struct session *session;
    uint32_t call_timeout_ms, cache_size;
};

/* A column of a result. */
struct column {
    struct handle handle;
    char *name;
    uint16_t type;
    uint8_t charset_form;
    int16_t precision;
    int8_t scale;
    uint16_t bytes, characters;
    uint8_t nullable;
};

/* Where the rows of a column go. */
struct define {
    struct handle handle;
    uint8_t *values;
    int64_t size;
    uint16_t type;
    int16_t *indicators;
    uint32_t *lengths;
    uint16_t *codes;
    /* Asks for room, piece by piece, where there is no buffer of a fixed size. */
    void *context;
    int32_t (*room)(void *, void *, uint32_t, void **, uint32_t **, uint8_t *, void **, uint16_t **);
};

struct bind {
    struct handle handle;
    struct bind *next;
    char *name;
    const uint8_t *value;
    int64_t size;
    uint16_t type;
    uint8_t charset_form;
    const int16_t *indicator;
    const uint32_t *length;
};

enum { CHARSET_FORM_NATIONAL = 2 };

struct columns { struct columns *older; uint32_t count; struct column *items; };

struct statement {
    struct handle handle;
    struct service *service;
    char *sql;
    uint32_t sql_length;
    uint16_t kind;
    uint32_t cursor, prefetch_rows, fetched_rows;
    uint64_t changed_rows;
    char **names;
    uint32_t name_count;
    struct bind *binds;
    struct columns *columns;
    struct define *defines;
    uint32_t define_count;
    bool done;
};

/* DATE, as it lies in the buffers of ODPI-C. */
struct oci_date { int16_t year; uint8_t month, day, hour, minute, second; };

struct moment {
    struct handle handle;
    int16_t year;
    uint8_t month, day, hour, minute, second;
    uint32_t nanoseconds;
    int8_t zone_hours, zone_minutes;
};

struct interval { struct handle handle; int32_t years, months, days, hours, minutes, seconds, nanoseconds; };

struct lob { struct handle handle; uint8_t *bytes; uint64_t length; bool is_text; };

struct rowid { struct handle handle; char text[256]; };

/* Keeps an error to be asked for, and is OCI_ERROR. */
int fail(void *error, int32_t code, const char *format, ...);

/* number.c: decimal text and Oracle's 22 bytes, whose first is their length. */
bool number_from_text(const char *text, uint8_t number[NUMBER_BYTES]);
void number_to_text(const uint8_t number[NUMBER_BYTES], char *text);

/* moment.c: `YYYY-MM-DD HH:MM:SS[.fraction][ +HH:MM]`; `[+-]D HH:MM:SS[.fraction]`; `[+-]Y-M`. */
bool moment_from_text(const char *text, struct moment *moment);
void moment_to_text(const struct moment *moment, bool has_fraction, bool has_zone, char *text);
bool interval_from_text(const char *text, bool is_years, struct interval *interval);
void interval_to_text(const struct interval *interval, bool is_years, char *text);

/* value.c: one cell into its buffer; one bind as type and text. */
int store_cell(struct define *define, uint32_t row, const uint8_t *bytes, uint32_t length, bool is_null, void *error);
const char *bind_type(const struct bind *bind);
/* The length of the text, or -1 for null. */
int64_t bind_text(const struct bind *bind, char *text, const uint8_t **bytes);

#endif
