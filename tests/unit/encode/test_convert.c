/* The conversion against the formulas of BT.709 in floating point. */
#include "../unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode/convert.h"

#define STRIDE 96
#define ROWS 6

static uint8_t planes[3][STRIDE * ROWS];

static struct yuv target(void)
{
    memset(planes, 0xee, sizeof(planes));
    return (struct yuv){{planes[0], planes[1], planes[2]}, {STRIDE, STRIDE, STRIDE}};
}

static void yuv_of(const double rgb[3], double ret[3])
{
    double y = .2126 * rgb[0] + .7152 * rgb[1] + .0722 * rgb[2];
    ret[0] = 16 + 219 * y / 255;
    ret[1] = 128 + 224 * (rgb[2] - y) / 1.8556 / 255;
    ret[2] = 128 + 224 * (rgb[0] - y) / 1.5748 / 255;
}

/* Within half a step, and a hundredth for the rounded factors. */
static void near(uint8_t is, double wanted)
{
    if (fabs(is - wanted) > 0.51)
        fail_msg("%d instead of %.3f", is, wanted);
}

static void check_block(const uint8_t *rgba, int width, int x, int y)
{
    double mean[3] = {0, 0, 0}, wanted[3];
    for (int i = 0; i < 4; i++) {
        const uint8_t *p = rgba + ((size_t)(y + i / 2) * (size_t)width + (size_t)(x + i % 2)) * 4;
        const double rgb[3] = {p[0], p[1], p[2]};
        yuv_of(rgb, wanted);
        near(planes[0][(y + i / 2) * STRIDE + x + i % 2], wanted[0]);
        for (int c = 0; c < 3; c++)
            mean[c] += rgb[c] / 4;
    }
    yuv_of(mean, wanted);
    near(planes[1][y / 2 * STRIDE + x / 2], wanted[1]);
    near(planes[2][y / 2 * STRIDE + x / 2], wanted[2]);
}

/* Every width has its own mix of the fast and the plain code. */
static void every_pixel_of_every_width(void **state)
{
    (void)state;
    srand(5);
    for (int width = 2; width <= 70; width += 2) {
        uint8_t *rgba = malloc((size_t)width * ROWS * 4);
        for (int i = 0; i < width * ROWS * 4; i++)
            rgba[i] = (uint8_t)(i % 7 ? rand() : rand() % 2 * 255);
        struct yuv to = target();
        convert_picture(rgba, width, ROWS, &to);
        for (int y = 0; y < ROWS; y += 2) {
            for (int x = 0; x < width; x += 2)
                check_block(rgba, width, x, y);
        }
        for (int y = 0; y < ROWS; y++) /* nothing behind the rows */
            assert_int_equal(planes[0][y * STRIDE + width], 0xee);
        assert_int_equal(planes[1][width / 2], 0xee);
        free(rgba);
    }
}

static void flat(uint8_t red, uint8_t green, uint8_t blue)
{
    uint8_t rgba[32 * 2 * 4];
    for (int i = 0; i < 64; i++)
        memcpy(rgba + i * 4, (uint8_t[]){red, green, blue, (uint8_t)(i * 4)}, 4);
    struct yuv to = target();
    convert_picture(rgba, 32, 2, &to);
}

static void greys_have_no_colour(void **state)
{
    (void)state;
    for (int grey = 0; grey < 256; grey++) {
        flat((uint8_t)grey, (uint8_t)grey, (uint8_t)grey);
        for (int x = 0; x < 16; x++) {
            assert_int_equal(planes[1][x], 128);
            assert_int_equal(planes[2][x], 128);
        }
    }
    assert_int_equal(planes[0][0], 235);
    flat(0, 0, 0);
    assert_int_equal(planes[0][31], 16);
}

static void the_corners_of_the_cube(void **state)
{
    (void)state;
    flat(0, 0, 255);
    assert_int_equal(planes[1][3], 240);
    flat(255, 255, 0);
    assert_int_equal(planes[1][3], 16);
    flat(255, 0, 0);
    assert_int_equal(planes[2][3], 240);
    flat(0, 255, 255);
    assert_int_equal(planes[2][3], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pixel_of_every_width),
        cmocka_unit_test(greys_have_no_colour),
        cmocka_unit_test(the_corners_of_the_cube),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
