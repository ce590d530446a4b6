/* Large objects by their locator, and row addresses. */
#include "oci.h"

#include <string.h>

static bool is_start(uint8_t byte) {
    return (byte & 0xC0) != 0x80;
}

/* The database keeps large texts in UTF-16 and counts its units. */
static unsigned units_of(uint8_t byte) {
    return !is_start(byte) ? 0 : byte >= 0xF0 ? 2 : 1;
}

/* Bytes of the first `units` of a UTF-8 text; whole characters alone. */
static uint64_t bytes_of(const uint8_t *text, uint64_t length, uint64_t units) {
    uint64_t at = 0;
    for (; at < length; at++) {
        if (units_of(text[at]) > units || (units == 0 && is_start(text[at])))
            break;
        units -= units_of(text[at]);
    }
    return at;
}

int OCILobGetLength2(void *service, void *error, void *locator, uint64_t *length) {
    (void)service, (void)error;
    const struct lob *lob = locator;
    *length = lob->is_text ? 0 : lob->length;
    for (uint64_t at = 0; lob->is_text && at < lob->length; at++)
        *length += units_of(lob->bytes[at]);
    return OCI_SUCCESS;
}

/* Reads as much as was asked for and fits. */
int OCILobRead2(void *service, void *error, void *locator, uint64_t *bytes, uint64_t *characters, uint64_t offset,
                void *target, uint64_t room, uint8_t piece, void *context, void *callback, uint16_t charset,
                uint8_t form) {
    (void)service, (void)piece, (void)context, (void)callback, (void)charset, (void)form;
    const struct lob *lob = locator;
    if (offset == 0)
        return fail(error, 24801, "illegal parameter value in OCI lob function");
    uint64_t start = lob->is_text ? bytes_of(lob->bytes, lob->length, offset - 1) : offset - 1;
    if (start > lob->length)
        start = lob->length;
    uint64_t left = lob->length - start;
    uint64_t length = lob->is_text ? bytes_of(lob->bytes + start, left, *characters) : *bytes;
    if (length > left)
        length = left;
    if (length > room)
        length = room;
    while (lob->is_text && length < left && length > 0 && !is_start(lob->bytes[start + length]))
        length--;
    memcpy(target, lob->bytes + start, length);
    *bytes = length;
    return OCI_SUCCESS;
}

int OCILobIsTemporary(void *environment, void *error, void *locator, int *is_temporary) {
    (void)environment, (void)error, (void)locator;
    *is_temporary = 0;
    return OCI_SUCCESS;
}

int OCIRowidToChar(void *descriptor, char *text, uint16_t *length, void *error) {
    const struct rowid *rowid = descriptor;
    uint16_t room = *length;
    *length = strlen(rowid->text);
    if (room < *length)
        return fail(error, 1406, "fetched column value was truncated");
    memcpy(text, rowid->text, *length);
    return OCI_SUCCESS;
}
