/*
 * Messages between the stand-in and the test. Each is a length (of all that follows), a kind and fields.
 * Integers are four bytes, little-endian; a text is its length and its bytes; the length of a null is all ones.
 *
 *   L login     user, password, service, external, driver  -> k banner, version, warning | e
 *   X execute   cursor, sql, prefetch, binds (name, type, value)
 *                 -> d changed rows, columns (name, type, charset form, precision, scale, bytes, characters, null) | e
 *   F fetch     cursor, rows                               -> r done, rows, cells | e
 *   T do        COMMIT, ROLLBACK or PING                   -> k | e
 *   C close     cursor                                     no reply
 *   B break                                                the call that waits gets its reply, mostly an error
 *   Q bye                                                  no reply
 *
 *   e error     code, message; a warning is the same, with code 0 where there is none
 */
#ifndef WIRE_H
#define WIRE_H

#include "oci.h"

struct message { uint8_t *bytes; size_t used, room, at; char kind; bool is_short; };

struct message message_new(char kind);
void message_free(struct message *message);
void put_number(struct message *message, uint32_t number);
void put_text(struct message *message, const void *bytes, size_t length);
void put_null(struct message *message);
uint32_t take_number(struct message *message);
/* False for null. The bytes live as long as the message. */
bool take_text(struct message *message, const uint8_t **bytes, uint32_t *length);

/* Connects to one of the addresses of a connect string. */
int wire_connect(struct server *server, const char *text, size_t length, void *error);
void wire_close(struct server *server);
/* Sends and forgets the request; waits for no reply. */
void tell(struct server *server, struct message *request);
/* Sends the request and waits for its reply, which is the caller's to free when this is OCI_SUCCESS. */
int ask(struct server *server, struct message *request, struct message *reply, uint32_t timeout_ms, void *error);

#endif
