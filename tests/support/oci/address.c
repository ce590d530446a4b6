/* Connect strings: Easy Connect, full descriptions, and names from tnsnames.ora. */
#define _GNU_SOURCE
#include "wire.h"

#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_to(struct server *server, const char *host, const char *port, void *error) {
    struct addrinfo wanted = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM }, *found, *each;
    if (getaddrinfo(host, port, &wanted, &found) != 0)
        return fail(error, 12545, "Connect failed because target host or object does not exist");
    int socket_fd = -1;
    for (each = found; each && socket_fd < 0; each = each->ai_next) {
        socket_fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
        if (socket_fd >= 0 && connect(socket_fd, each->ai_addr, each->ai_addrlen) != 0) {
            close(socket_fd);
            socket_fd = -1;
        }
    }
    freeaddrinfo(found);
    if (socket_fd < 0)
        return fail(error, 12541, "TNS:no listener");
    server->socket = socket_fd;
    server->connected = true;
    return OCI_SUCCESS;
}

/* Copies the value of `KEY=` that stands at `from` or behind it, and tells where it ends. */
static const char *value_of(const char *from, const char *key, char *value, size_t room) {
    size_t key_length = strlen(key);
    for (; *from; from++) {
        if (*from != '(' || strncasecmp(from + 1, key, key_length) != 0)
            continue;
        const char *at = from + 1 + key_length;
        at += strspn(at, " \t\r\n");
        if (*at != '=')
            continue;
        at++;
        at += strspn(at, " \t\r\n");
        size_t length = strcspn(at, ") \t\r\n");
        snprintf(value, room, "%.*s", (int)length, at);
        return at + length;
    }
    return NULL;
}

/* The addresses of a description are tried in turn. */
static int connect_description(struct server *server, const char *text, void *error) {
    char host[256], port[16];
    if (!value_of(text, "SERVICE_NAME", server->service, sizeof server->service)
        && !value_of(text, "SID", server->service, sizeof server->service))
        server->service[0] = 0;
    int status = fail(error, 12533, "TNS:illegal ADDRESS parameters");
    const char *at = text;
    while ((at = value_of(at, "HOST", host, sizeof host))) {
        if (!value_of(at, "PORT", port, sizeof port))
            strcpy(port, "1521");
        status = connect_to(server, host, port, error);
        if (status == OCI_SUCCESS)
            break;
    }
    return status;
}

/* `[//]host[:port]/service[?parameters]` */
static int connect_easily(struct server *server, const char *text, void *error) {
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    char host[256], port[16] = "1521";
    size_t host_length = strcspn(text, ":/");
    snprintf(host, sizeof host, "%.*s", (int)host_length, text);
    text += host_length;
    if (*text == ':') {
        size_t port_length = strcspn(text + 1, "/");
        snprintf(port, sizeof port, "%.*s", (int)port_length, text + 1);
        text += 1 + port_length;
    }
    text += *text == '/';
    size_t service_length = strcspn(text, "?:/");
    snprintf(server->service, sizeof server->service, "%.*s", (int)service_length, text);
    return connect_to(server, host, port, error);
}

/* The description of `name` in $TNS_ADMIN/tnsnames.ora, to be freed; null where there is none. */
static char *look_up(const char *name) {
    const char *folder = getenv("TNS_ADMIN");
    char path[4096];
    snprintf(path, sizeof path, "%s/tnsnames.ora", folder ? folder : "");
    FILE *file = folder ? fopen(path, "r") : NULL;
    if (!file)
        return NULL;
    static const size_t room = 65536;
    char *text = calloc(1, room), *found = NULL;
    if (fread(text, 1, room - 1, file) > 0) {
        size_t length = strlen(name);
        for (char *line = text; line && !found; line = strchr(line, '\n')) {
            line += *line == '\n';
            char *end = line + length;
            if (strncasecmp(line, name, length) == 0 && end[strspn(end, " \t")] == '=') {
                char *next = strstr(end, "\n\n");
                found = strndup(end, next ? (size_t)(next - end) : strlen(end));
            }
        }
    }
    free(text);
    fclose(file);
    return found;
}

int wire_connect(struct server *server, const char *text, size_t length, void *error) {
    char *string = strndup(text ? text : "", length);
    char *start = string + strspn(string, " \t\r\n");
    int status;
    if (*start == '(')
        status = connect_description(server, start, error);
    else if (strpbrk(start, "/:"))
        status = connect_easily(server, start, error);
    else {
        char *description = look_up(start);
        status = description ? connect_description(server, description, error)
                             : fail(error, 12154, "TNS:could not resolve the connect identifier specified");
        free(description);
    }
    free(string);
    return status;
}
