/* Dates, timestamps and intervals. */
#include "oci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `.5` is half a second: digits that are missing are zeros. */
static uint32_t read_fraction(const char **text) {
    uint32_t nanoseconds = 0;
    if (**text != '.')
        return 0;
    (*text)++;
    for (int at = 0; at < 9; at++)
        nanoseconds = nanoseconds * 10 + (**text >= '0' && **text <= '9' ? (uint32_t)(*(*text)++ - '0') : 0);
    return nanoseconds;
}

static bool read_zone(const char *text, struct moment *moment) {
    int hours, minutes;
    while (*text == ' ')
        text++;
    moment->zone_hours = moment->zone_minutes = 0;
    if (*text == 0)
        return true;
    if ((*text != '+' && *text != '-') || sscanf(text + 1, "%d:%d", &hours, &minutes) != 2)
        return false;
    moment->zone_hours = *text == '-' ? -hours : hours;
    moment->zone_minutes = *text == '-' ? -minutes : minutes;
    return true;
}

bool moment_from_text(const char *text, struct moment *moment) {
    int year, month, day, hour, minute, second, read = 0;
    if (sscanf(text, "%d-%d-%d %d:%d:%d%n", &year, &month, &day, &hour, &minute, &second, &read) != 6)
        return false;
    moment->year = year;
    moment->month = month;
    moment->day = day;
    moment->hour = hour;
    moment->minute = minute;
    moment->second = second;
    text += read;
    moment->nanoseconds = read_fraction(&text);
    return read_zone(text, moment);
}

void moment_to_text(const struct moment *moment, bool has_fraction, bool has_zone, char *text) {
    text += sprintf(text, "%s%04d-%02d-%02d %02d:%02d:%02d", moment->year < 0 ? "-" : "", abs(moment->year),
                    moment->month, moment->day, moment->hour, moment->minute, moment->second);
    if (has_fraction)
        text += sprintf(text, ".%09u", moment->nanoseconds);
    if (has_zone)
        sprintf(text, " %c%02d:%02d", moment->zone_hours < 0 || moment->zone_minutes < 0 ? '-' : '+',
                abs(moment->zone_hours), abs(moment->zone_minutes));
}

bool interval_from_text(const char *text, bool is_years, struct interval *interval) {
    int sign = *text == '-' ? -1 : 1, read = 0;
    text += *text == '-' || *text == '+';
    if (is_years) {
        if (sscanf(text, "%d-%d", &interval->years, &interval->months) != 2)
            return false;
        interval->years *= sign;
        interval->months *= sign;
        return true;
    }
    if (sscanf(text, "%d %d:%d:%d%n", &interval->days, &interval->hours, &interval->minutes, &interval->seconds, &read)
        != 4)
        return false;
    text += read;
    interval->nanoseconds = sign * (int32_t)read_fraction(&text);
    interval->days *= sign;
    interval->hours *= sign;
    interval->minutes *= sign;
    interval->seconds *= sign;
    return true;
}

void interval_to_text(const struct interval *interval, bool is_years, char *text) {
    if (is_years) {
        bool is_negative = interval->years < 0 || interval->months < 0;
        sprintf(text, "%c%d-%d", is_negative ? '-' : '+', abs(interval->years), abs(interval->months));
        return;
    }
    bool is_negative = interval->days < 0 || interval->hours < 0 || interval->minutes < 0 || interval->seconds < 0
                       || interval->nanoseconds < 0;
    sprintf(text, "%c%d %02d:%02d:%02d.%09d", is_negative ? '-' : '+', abs(interval->days), abs(interval->hours),
            abs(interval->minutes), abs(interval->seconds), abs(interval->nanoseconds));
}

int OCIDateTimeConstruct(void *handle, void *error, void *target, int16_t year, uint8_t month, uint8_t day,
                         uint8_t hour, uint8_t minute, uint8_t second, uint32_t nanoseconds, const char *zone,
                         size_t zone_length) {
    (void)handle;
    struct moment *moment = target;
    char zone_text[16];
    if (year == 0 || year < -4713 || year > 9999)
        return fail(error, 1841, "(full) year must be between -4713 and +9999, and not be 0");
    moment->year = year;
    moment->month = month;
    moment->day = day;
    moment->hour = hour;
    moment->minute = minute;
    moment->second = second;
    moment->nanoseconds = nanoseconds;
    snprintf(zone_text, sizeof zone_text, "%.*s", zone ? (int)zone_length : 0, zone);
    return read_zone(zone_text, moment) ? OCI_SUCCESS
                                        : fail(error, 1874, "time zone hour must be between -15 and 15");
}

int OCIDateTimeGetDate(void *handle, void *error, const void *value, int16_t *year, uint8_t *month, uint8_t *day) {
    (void)handle, (void)error;
    const struct moment *moment = value;
    *year = moment->year;
    *month = moment->month;
    *day = moment->day;
    return OCI_SUCCESS;
}

int OCIDateTimeGetTime(void *handle, void *error, void *value, uint8_t *hour, uint8_t *minute, uint8_t *second,
                       uint32_t *nanoseconds) {
    (void)handle, (void)error;
    const struct moment *moment = value;
    *hour = moment->hour;
    *minute = moment->minute;
    *second = moment->second;
    *nanoseconds = moment->nanoseconds;
    return OCI_SUCCESS;
}

int OCIDateTimeGetTimeZoneOffset(void *handle, void *error, const void *value, int8_t *hours, int8_t *minutes) {
    (void)handle, (void)error;
    const struct moment *moment = value;
    *hours = moment->zone_hours;
    *minutes = moment->zone_minutes;
    return OCI_SUCCESS;
}

int OCIIntervalGetDaySecond(void *handle, void *error, int32_t *days, int32_t *hours, int32_t *minutes,
                            int32_t *seconds, int32_t *nanoseconds, const void *value) {
    (void)handle, (void)error;
    const struct interval *interval = value;
    *days = interval->days;
    *hours = interval->hours;
    *minutes = interval->minutes;
    *seconds = interval->seconds;
    *nanoseconds = interval->nanoseconds;
    return OCI_SUCCESS;
}

int OCIIntervalGetYearMonth(void *handle, void *error, int32_t *years, int32_t *months, const void *value) {
    (void)handle, (void)error;
    const struct interval *interval = value;
    *years = interval->years;
    *months = interval->months;
    return OCI_SUCCESS;
}

int OCIIntervalSetDaySecond(void *handle, void *error, int32_t days, int32_t hours, int32_t minutes, int32_t seconds,
                            int32_t nanoseconds, void *target) {
    (void)handle, (void)error;
    struct interval *interval = target;
    interval->days = days;
    interval->hours = hours;
    interval->minutes = minutes;
    interval->seconds = seconds;
    interval->nanoseconds = nanoseconds;
    return OCI_SUCCESS;
}

int OCIIntervalSetYearMonth(void *handle, void *error, int32_t years, int32_t months, void *target) {
    (void)handle, (void)error;
    struct interval *interval = target;
    interval->years = years;
    interval->months = months;
    return OCI_SUCCESS;
}
