/* The lines that a running stage writes on its report pipe: bounded, cut at
 * newlines, handed on as they come. A line that is too long is dropped. */
#ifndef MANIMD_SLOT_REPORT_H
#define MANIMD_SLOT_REPORT_H

struct slot;
struct err;

void slot_report_init(struct slot *slot);
/* Takes the descriptor over, also on failure. */
int slot_open_report(struct slot *slot, int fd, struct err *e);
void slot_close_report(struct slot *slot);

#endif
