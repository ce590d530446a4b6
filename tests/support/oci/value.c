/* Cells from the wire into ODPI-C's buffers, and its bind buffers onto the wire. */
#define _GNU_SOURCE
#include "oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a fetched value that does not fit into its buffer is marked with. */
enum { TRUNCATED = 1406 };

/* Text and bytes of any length: ODPI-C gives room piece by piece, once even for an empty value. */
static int store_in_pieces(struct define *define, uint32_t row, const uint8_t *bytes, uint32_t length) {
    uint32_t stored = 0;
    do {
        void *target, *indicator;
        uint32_t *room;
        uint16_t *code;
        uint8_t piece = 0;
        if (define->room(define->context, define, row, &target, &room, &piece, &indicator, &code) != OCI_CONTINUE)
            return OCI_ERROR;
        uint32_t part = length - stored < *room ? length - stored : *room;
        memcpy(target, bytes + stored, part);
        *room = part;
        *(int16_t *)indicator = 0;
        stored += part;
    } while (stored < length);
    return OCI_SUCCESS;
}

static void store_bytes(struct define *define, uint32_t row, const uint8_t *bytes, uint32_t length) {
    uint32_t part = length < define->size ? length : define->size;
    memcpy(define->values + row * define->size, bytes, part);
    if (define->lengths)
        define->lengths[row] = part;
    if (define->codes)
        define->codes[row] = part < length ? TRUNCATED : 0;
}

static void store_lob(struct lob *lob, uint16_t type, const uint8_t *bytes, uint32_t length) {
    free(lob->bytes);
    lob->bytes = malloc(length + 1);
    memcpy(lob->bytes, bytes, length);
    lob->length = length;
    lob->is_text = type == SQLT_CLOB;
}

static bool store_scalar(uint16_t type, void *place, const char *text) {
    struct moment moment = { 0 };
    switch (type) {
    case SQLT_INT: *(int64_t *)place = strtoll(text, NULL, 10); return true;
    case SQLT_UIN: *(uint64_t *)place = strtoull(text, NULL, 10); return true;
    case SQLT_BFLOAT: *(float *)place = strtof(text, NULL); return true;
    case SQLT_BDOUBLE: *(double *)place = strtod(text, NULL); return true;
    case SQLT_VNU: return number_from_text(text, place);
    case SQLT_ODT:
        if (!moment_from_text(text, &moment))
            return false;
        *(struct oci_date *)place = (struct oci_date){ moment.year, moment.month,  moment.day,
                                                       moment.hour, moment.minute, moment.second };
        return true;
    case SQLT_TIMESTAMP:
    case SQLT_TIMESTAMP_TZ:
    case SQLT_TIMESTAMP_LTZ: return moment_from_text(text, *(struct moment **)place);
    case SQLT_INTERVAL_DS:
    case SQLT_INTERVAL_YM: return interval_from_text(text, type == SQLT_INTERVAL_YM, *(struct interval **)place);
    case SQLT_RDD:
        strcpy((*(struct rowid **)place)->text, text);
        return true;
    default: return false;
    }
}

int store_cell(struct define *define, uint32_t row, const uint8_t *bytes, uint32_t length, bool is_null, void *error) {
    if (is_null) {
        if (define->indicators)
            define->indicators[row] = INDICATOR_NULL;
        else {
            /* Without a buffer of its own the indicator comes with the room. */
            void *target, *indicator;
            uint32_t *room;
            uint16_t *code;
            uint8_t piece = 0;
            define->room(define->context, define, row, &target, &room, &piece, &indicator, &code);
            *room = 0;
            *(int16_t *)indicator = INDICATOR_NULL;
        }
        return OCI_SUCCESS;
    }
    if (define->room)
        return store_in_pieces(define, row, bytes, length);
    define->indicators[row] = 0;
    uint8_t *place = define->values + row * define->size;
    switch (define->type) {
    case SQLT_CHR:
    case SQLT_AFC:
    case SQLT_BIN: store_bytes(define, row, bytes, length); return OCI_SUCCESS;
    case SQLT_CLOB:
    case SQLT_BLOB: store_lob(*(struct lob **)place, define->type, bytes, length); return OCI_SUCCESS;
    default: break;
    }
    char text[sizeof((struct rowid *)0)->text];
    snprintf(text, sizeof text, "%.*s", (int)length, bytes);
    if (store_scalar(define->type, place, text))
        return OCI_SUCCESS;
    return fail(error, 932, "inconsistent datatypes: '%s' into a buffer of type %u", text, define->type);
}

const char *bind_type(const struct bind *bind) {
    bool is_national = bind->charset_form == CHARSET_FORM_NATIONAL;
    switch (bind->type) {
    case SQLT_CHR: return is_national ? "NVARCHAR2" : "VARCHAR2";
    case SQLT_AFC: return is_national ? "NCHAR" : "CHAR";
    case SQLT_BIN: return "RAW";
    case SQLT_VNU: return "NUMBER";
    case SQLT_INT:
    case SQLT_UIN: return "INTEGER";
    case SQLT_BFLOAT: return "BINARY_FLOAT";
    case SQLT_BDOUBLE: return "BINARY_DOUBLE";
    case SQLT_ODT: return "DATE";
    case SQLT_TIMESTAMP: return "TIMESTAMP";
    case SQLT_TIMESTAMP_TZ: return "TIMESTAMP WITH TIME ZONE";
    case SQLT_TIMESTAMP_LTZ: return "TIMESTAMP WITH LOCAL TIME ZONE";
    case SQLT_INTERVAL_DS: return "INTERVAL DAY TO SECOND";
    case SQLT_INTERVAL_YM: return "INTERVAL YEAR TO MONTH";
    default: return "?";
    }
}

int64_t bind_text(const struct bind *bind, char *text, const uint8_t **bytes) {
    *bytes = (const uint8_t *)text;
    if (!bind->value || (bind->indicator && *bind->indicator == INDICATOR_NULL))
        return -1;
    const void *value = bind->value;
    switch (bind->type) {
    case SQLT_CHR:
    case SQLT_AFC:
    case SQLT_BIN: *bytes = value; return bind->length ? *bind->length : bind->size;
    case SQLT_INT: return sprintf(text, "%lld", *(const long long *)value);
    case SQLT_UIN: return sprintf(text, "%llu", *(const unsigned long long *)value);
    case SQLT_BFLOAT: return sprintf(text, "%.9g", *(const float *)value);
    case SQLT_BDOUBLE: return sprintf(text, "%.17g", *(const double *)value);
    case SQLT_VNU: number_to_text(value, text); break;
    case SQLT_ODT: {
        const struct oci_date *date = value;
        struct moment moment = { .year = date->year, .month = date->month,   .day = date->day,
                                 .hour = date->hour, .minute = date->minute, .second = date->second };
        moment_to_text(&moment, false, false, text);
        break;
    }
    case SQLT_TIMESTAMP:
    case SQLT_TIMESTAMP_TZ:
    case SQLT_TIMESTAMP_LTZ:
        moment_to_text(*(struct moment *const *)value, true, bind->type != SQLT_TIMESTAMP, text);
        break;
    case SQLT_INTERVAL_DS:
    case SQLT_INTERVAL_YM:
        interval_to_text(*(struct interval *const *)value, bind->type == SQLT_INTERVAL_YM, text);
        break;
    default: sprintf(text, "type %u", bind->type); break;
    }
    return strlen(text);
}
