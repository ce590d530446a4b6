/* Oracle's numbers: an exponent of 100 and up to 20 digits of base 100, in an order that sorts as bytes. */
#include "oci.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DIGITS_MAX = 40, EXPONENT_BIAS = 193, NEGATIVE_END = 102 };

/* Reads `[+-]digits[.digits][E[+-]digits]`; the point stands behind `point` digits. */
static bool read_decimal(const char *text, char *digits, int *count, int *point, bool *is_negative) {
    *count = *point = 0;
    *is_negative = *text == '-';
    text += *text == '-' || *text == '+';
    bool is_behind = false;
    if (!isdigit((unsigned char)text[*text == '.']))
        return false;
    for (; isdigit((unsigned char)*text) || (*text == '.' && !is_behind); text++) {
        if (*text == '.') {
            is_behind = true;
            continue;
        }
        bool is_leading_zero = *count == 0 && *text == '0';
        if (!is_leading_zero && *count < DIGITS_MAX)
            digits[(*count)++] = *text - '0';
        else if (!is_leading_zero && *text != '0')
            return false;
        *point += is_behind ? -is_leading_zero : !is_leading_zero;
    }
    if (*text == 'E' || *text == 'e')
        *point += strtol(text + 1, (char **)&text, 10);
    while (*count > 0 && digits[*count - 1] == 0)
        (*count)--;
    return *text == 0;
}

bool number_from_text(const char *text, uint8_t number[NUMBER_BYTES]) {
    static const uint8_t infinity[] = { 2, 255, 101 }, minus_infinity[] = { 1, 0 };
    memset(number, 0, NUMBER_BYTES);
    if (strcasecmp(text, "inf") == 0)
        return memcpy(number, infinity, sizeof infinity);
    if (strcasecmp(text, "-inf") == 0)
        return memcpy(number, minus_infinity, sizeof minus_infinity);
    char digits[DIGITS_MAX + 2];
    int count, point;
    bool is_negative;
    if (!read_decimal(text, digits, &count, &point, &is_negative))
        return false;
    if (count == 0) {
        number[0] = 1;
        number[1] = 0x80;
        return true;
    }
    /* The point must stand between two digits of base 100. */
    int shift = (point % 2 + 2) % 2;
    memmove(digits + shift, digits, count);
    if (shift)
        digits[0] = 0;
    count += shift;
    digits[count] = 0;
    int pairs = (count + 1) / 2, exponent = (point + shift) / 2 - 1;
    if (exponent > 62 || exponent < -65 || pairs > 20)
        return false;
    number[1] = exponent + EXPONENT_BIAS;
    for (int at = 0; at < pairs; at++) {
        uint8_t pair = digits[2 * at] * 10 + digits[2 * at + 1];
        number[2 + at] = is_negative ? 101 - pair : pair + 1;
    }
    int length = pairs + 1;
    if (is_negative) {
        number[1] = ~number[1];
        if (pairs < 20)
            number[1 + length++] = NEGATIVE_END;
    }
    number[0] = length;
    return true;
}

void number_to_text(const uint8_t number[NUMBER_BYTES], char *text) {
    int length = number[0] - 1;
    bool is_negative = !(number[1] & 0x80);
    if (length == 0) {
        strcpy(text, is_negative ? "-inf" : "0");
        return;
    }
    if (number[1] == 255 && number[2] == 101) {
        strcpy(text, "inf");
        return;
    }
    uint8_t biased = is_negative ? ~number[1] : number[1];
    if (is_negative && number[1 + length] == NEGATIVE_END)
        length--;
    int point = 2 * (biased - EXPONENT_BIAS) + 2;
    char digits[2 * NUMBER_BYTES + 1];
    int count = 0;
    for (int at = 0; at < length; at++) {
        int pair = is_negative ? 101 - number[2 + at] : number[2 + at] - 1;
        digits[count++] = pair / 10 + '0';
        digits[count++] = pair % 10 + '0';
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    int leading = digits[0] == '0';
    if (is_negative)
        *text++ = '-';
    if (point - leading <= 0)
        text += sprintf(text, "0.");
    for (int zero = point - leading; zero < 0; zero++)
        *text++ = '0';
    for (int at = leading; at < count; at++) {
        if (at == point && at > leading)
            *text++ = '.';
        *text++ = digits[at];
    }
    for (int at = count; at < point; at++)
        *text++ = '0';
    *text = 0;
}

int OCINumberToInt(void *error, const void *number, unsigned int size, unsigned int is_signed, void *value) {
    char text[200];
    number_to_text(number, text);
    if (size != sizeof(int64_t) || strpbrk(text, ".i") || strlen(text) > 20)
        return fail(error, 22053, "overflow error");
    if (is_signed)
        *(int64_t *)value = strtoll(text, NULL, 10);
    else
        *(uint64_t *)value = strtoull(text, NULL, 10);
    return OCI_SUCCESS;
}

int OCINumberToReal(void *error, const void *number, unsigned int size, void *value) {
    char text[200];
    number_to_text(number, text);
    if (size != sizeof(double))
        return fail(error, 22060, "argument is an invalid or uninitialized number");
    *(double *)value = strtod(text, NULL);
    return OCI_SUCCESS;
}

int OCINumberFromInt(void *error, const void *value, unsigned int size, unsigned int is_signed, void *number) {
    char text[32];
    if (size != sizeof(int64_t))
        return fail(error, 22053, "overflow error");
    if (is_signed)
        snprintf(text, sizeof text, "%lld", *(const long long *)value);
    else
        snprintf(text, sizeof text, "%llu", *(const unsigned long long *)value);
    number_from_text(text, number);
    return OCI_SUCCESS;
}

int OCINumberFromReal(void *error, const void *value, unsigned int size, void *number) {
    char text[64];
    if (size != sizeof(double))
        return fail(error, 22053, "overflow error");
    snprintf(text, sizeof text, "%.17g", *(const double *)value);
    return number_from_text(text, number) ? OCI_SUCCESS : fail(error, 22053, "overflow error");
}
