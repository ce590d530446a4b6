/* The connection to the test that plays the database. */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct message message_new(char kind) {
    struct message message = { .room = 256, .kind = kind };
    message.bytes = malloc(message.room);
    message.used = 5; /* length and kind, filled in when it is sent */
    return message;
}

void message_free(struct message *message) {
    free(message->bytes);
    message->bytes = NULL;
}

static void put(struct message *message, const void *bytes, size_t length) {
    if (message->used + length > message->room) {
        message->room = 2 * (message->used + length);
        message->bytes = realloc(message->bytes, message->room);
    }
    if (length > 0)
        memcpy(message->bytes + message->used, bytes, length);
    message->used += length;
}

void put_number(struct message *message, uint32_t number) {
    uint8_t bytes[4] = { number, number >> 8, number >> 16, number >> 24 };
    put(message, bytes, sizeof bytes);
}

void put_text(struct message *message, const void *bytes, size_t length) {
    put_number(message, length);
    put(message, bytes, length);
}

void put_null(struct message *message) {
    put_number(message, UINT32_MAX);
}

static uint32_t number_at(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint32_t take_number(struct message *message) {
    if (message->at + 4 > message->used) {
        message->is_short = true;
        return 0;
    }
    message->at += 4;
    return number_at(message->bytes + message->at - 4);
}

bool take_text(struct message *message, const uint8_t **bytes, uint32_t *length) {
    *length = take_number(message);
    *bytes = message->bytes + message->at;
    if (*length == UINT32_MAX) {
        *length = 0;
        return false;
    }
    if (message->at + *length > message->used) {
        message->is_short = true;
        *length = 0;
    }
    message->at += *length;
    return true;
}

void wire_close(struct server *server) {
    if (server->socket >= 0)
        close(server->socket);
    server->socket = -1;
    server->connected = false;
}

static bool send_all(struct server *server, const uint8_t *bytes, size_t length) {
    pthread_mutex_lock(&server->sending);
    while (length > 0) {
        ssize_t sent = send(server->socket, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            break;
        bytes += sent;
        length -= sent;
    }
    pthread_mutex_unlock(&server->sending);
    return length == 0;
}

static bool send_message(struct server *server, struct message *request) {
    uint32_t length = request->used - 4;
    uint8_t head[5] = { length, length >> 8, length >> 16, length >> 24, request->kind };
    memcpy(request->bytes, head, sizeof head);
    bool sent = server->connected && send_all(server, request->bytes, request->used);
    message_free(request);
    return sent;
}

void tell(struct server *server, struct message *request) {
    send_message(server, request);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

enum arrival { ARRIVED, LATE, GONE };

/* `until_ms` is a time of the monotonic clock; 0 waits for ever. */
static enum arrival receive(struct server *server, uint8_t *bytes, size_t length, int64_t until_ms) {
    while (length > 0) {
        int64_t left_ms = until_ms ? until_ms - now_ms() : -1;
        struct pollfd waiting = { .fd = server->socket, .events = POLLIN };
        int ready = until_ms && left_ms <= 0 ? 0 : poll(&waiting, 1, left_ms);
        if (ready == 0)
            return LATE;
        ssize_t got = ready < 0 ? -1 : recv(server->socket, bytes, length, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return GONE;
        bytes += got;
        length -= got;
    }
    return ARRIVED;
}

static enum arrival receive_message(struct server *server, struct message *reply, int64_t until_ms) {
    uint8_t head[5];
    memset(reply, 0, sizeof *reply);
    enum arrival arrival = receive(server, head, sizeof head, until_ms);
    if (arrival != ARRIVED)
        return arrival;
    reply->kind = head[4];
    reply->used = reply->room = number_at(head) - 1;
    reply->bytes = malloc(reply->room + 1);
    /* What has begun is waited for: a reply must not be cut in two by a time limit. */
    arrival = receive(server, reply->bytes, reply->used, 0);
    if (arrival != ARRIVED)
        message_free(reply);
    return arrival;
}

/*
 * The time limit is over: the call is broken off, and what it still answers is dropped. A server that does not
 * answer within the same time once more is taken for gone.
 */
static int time_out(struct server *server, uint32_t timeout_ms, void *error) {
    struct message request = message_new('B'), reply;
    if (!send_message(server, &request) || receive_message(server, &reply, now_ms() + timeout_ms) != ARRIVED)
        wire_close(server);
    else
        message_free(&reply);
    return fail(error, 3156, "OCI call timed out");
}

int ask(struct server *server, struct message *request, struct message *reply, uint32_t timeout_ms, void *error) {
    if (!server->connected) {
        message_free(request);
        return fail(error, 3114, "not connected to ORACLE");
    }
    enum arrival arrival = GONE;
    if (send_message(server, request))
        arrival = receive_message(server, reply, timeout_ms ? now_ms() + timeout_ms : 0);
    if (arrival == LATE)
        return time_out(server, timeout_ms, error);
    if (arrival == GONE) {
        wire_close(server);
        return fail(error, 3113, "end-of-file on communication channel");
    }
    if (reply->kind == 'e') {
        const uint8_t *text;
        uint32_t length;
        int32_t code = take_number(reply);
        take_text(reply, &text, &length);
        fail(error, code, "%.*s", (int)length, text);
        message_free(reply);
        return OCI_ERROR;
    }
    return OCI_SUCCESS;
}
