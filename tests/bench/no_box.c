/* In the place of sandbox/probe.c and watch.c: a machine that has no layer at
 * all and nobody who looks, so that `--sandbox none` runs a job without a box
 * even as root. For box.py only. */
#include "sandbox/box.h"

enum box_level box_probe(struct box_layer_report ret_layers[LAYER_COUNT])
{
    for (int i = 0; i < LAYER_COUNT; i++)
        ret_layers[i] = (struct box_layer_report){LAYER_UNAVAILABLE, "left out by the benchmark"};
    return BOX_NONE;
}

enum outcome box_watch_look(struct box_watch *w)
{
    (void)w;
    return OUTCOME_completed;
}
