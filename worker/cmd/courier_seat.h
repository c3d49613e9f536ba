/* The courier that a worker keeps: a process of its own (it talks to strangers'
 * machines and holds the signing secrets, which the supervisor does not need),
 * started again when it ends. */
#ifndef MANIMD_COURIER_SEAT_H
#define MANIMD_COURIER_SEAT_H

#include <stdbool.h>
#include <sys/types.h>

struct config;
struct courier_seat;
struct loop;

/* `manimd` is this executable. Never fails: a courier that does not start is
 * tried again, and said. */
struct courier_seat *courier_seat_new(struct loop *loop, const struct config *config,
                                      const char *manimd);
/* Gives it what `config` says now: another takes its place, if that differs. */
void courier_seat_reload(struct courier_seat *seat, const struct config *config);
/* A job that names a webhook has ended. */
void courier_seat_poke(struct courier_seat *seat);
bool courier_seat_is_child(const struct courier_seat *seat, pid_t pid);
/* Lets it deliver what is due, for a few seconds, then kills it. NULL is fine;
 * returns NULL. */
void *courier_seat_free(struct courier_seat *seat);

#endif
