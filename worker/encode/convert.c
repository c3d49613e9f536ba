/* See convert.h; by swscale, rounding accurately. */
#include <errno.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>

#include "../base/err.h"
#include "../base/own.h"
#include "convert.h"
#include "fault.h"

struct convert {
    struct SwsContext *sws;
    int width, height;
};

int convert_new(int width, int height, struct convert **ret, struct err *e)
{
    struct convert *c = own_calloc(1, sizeof(*c));
    c->width = width;
    c->height = height;
    c->sws = sws_getContext(width, height, AV_PIX_FMT_RGBA, width, height, AV_PIX_FMT_YUV420P,
                            SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
    const int *bt709 = sws_getCoefficients(SWS_CS_ITU709);
    if (!c->sws || sws_setColorspaceDetails(c->sws, bt709, 1, bt709, 0, 0, 1 << 16, 1 << 16) < 0) {
        convert_free(c);
        return err_set(e, -EINVAL, FAULT_HOST, "swscale: no way from RGBA to yuv420p");
    }
    *ret = c;
    return 0;
}

int convert_picture(struct convert *c, const uint8_t *rgba, AVFrame *to, struct err *e)
{
    const uint8_t *planes[4] = {rgba};
    int strides[4] = {c->width * 4};
    int rc = sws_scale(c->sws, planes, strides, 0, c->height, to->data, to->linesize);
    return rc == c->height ? 0 : fault_av(e, rc < 0 ? rc : AVERROR(EIO), "convert a frame");
}

void *convert_free(struct convert *c)
{
    if (!c)
        return NULL;
    sws_freeContext(c->sws);
    free(c);
    return NULL;
}
