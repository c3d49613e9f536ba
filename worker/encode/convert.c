/* See convert.h. Two rows of pixels make two of luma and one of chroma. With
 * SSE2 (every x86-64) eight pixels of both rows at a time; the plain code does
 * what is left of a row, and everything elsewhere, with the same results.
 *
 * Rec. ITU-R BT.709-6, 3.2 to 3.5: Y = .2126 R + .7152 G + .0722 B, Cb and Cr
 * from B-Y and R-Y; limited range: Y in 16 … 235, chroma in 16 … 240. The
 * factors are those times 2^15, so rounded that grey has no colour and white is
 * 235 exactly. */
#include <assert.h>
#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "convert.h"

#define BITS 15
#define Y_BIAS ((16 << BITS) + (1 << (BITS - 1)))
/* Chroma is made of the sum of four pixels: two bits more. */
#define C_BIAS ((128 << (BITS + 2)) + (1 << (BITS + 1)))

static const int16_t y_of[4] = {5983, 20127, 2032, 0};
static const int16_t u_of[4] = {-3298, -11094, 14392, 0};
static const int16_t v_of[4] = {14392, -13072, -1320, 0};

/* Where a pair of rows is read from and written to, at some column. */
struct rows {
    const uint8_t *rgba[2];
    uint8_t *y[2], *u, *v;
};

static int dot(const int16_t factors[4], const int rgb[3])
{
    return factors[0] * rgb[0] + factors[1] * rgb[1] + factors[2] * rgb[2];
}

/* Pixels from..width of both rows, two by two. */
static void convert_plain(const struct rows *r, int from, int width)
{
    for (int x = from; x < width; x += 2) {
        int sum[3] = {0, 0, 0};
        for (int i = 0; i < 4; i++) {
            const uint8_t *p = r->rgba[i / 2] + (size_t)(x + i % 2) * 4;
            const int rgb[3] = {p[0], p[1], p[2]};
            r->y[i / 2][x + i % 2] = (uint8_t)((dot(y_of, rgb) + Y_BIAS) >> BITS);
            for (int c = 0; c < 3; c++)
                sum[c] += rgb[c];
        }
        r->u[x / 2] = (uint8_t)((dot(u_of, sum) + C_BIAS) >> (BITS + 2));
        r->v[x / 2] = (uint8_t)((dot(v_of, sum) + C_BIAS) >> (BITS + 2));
    }
}

#ifdef __SSE2__
static __m128i factors(const int16_t of[4])
{
    return _mm_set_epi16(of[3], of[2], of[1], of[0], of[3], of[2], of[1], of[0]);
}

/* Four pixels of four 16-bit components, times factors: four 32-bit sums. */
static inline __m128i dot4(__m128i two, __m128i more, __m128i of)
{
    __m128 a = _mm_castsi128_ps(_mm_madd_epi16(two, of));
    __m128 b = _mm_castsi128_ps(_mm_madd_epi16(more, of));
    return _mm_add_epi32(_mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0))),
                         _mm_castps_si128(_mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1))));
}

/* Eight pixels as eight bytes of luma; adds them to `sums`, two a register. */
static inline void luma8(const uint8_t *rgba, uint8_t *to, __m128i sums[4])
{
    const __m128i zero = _mm_setzero_si128(), of = factors(y_of), bias = _mm_set1_epi32(Y_BIAS);
    __m128i y[2];
    for (int i = 0; i < 2; i++) {
        __m128i four = _mm_loadu_si128((const __m128i *)rgba + i);
        __m128i low = _mm_unpacklo_epi8(four, zero), high = _mm_unpackhi_epi8(four, zero);
        sums[i * 2] = _mm_add_epi16(sums[i * 2], low);
        sums[i * 2 + 1] = _mm_add_epi16(sums[i * 2 + 1], high);
        y[i] = _mm_srai_epi32(_mm_add_epi32(dot4(low, high, of), bias), BITS);
    }
    __m128i words = _mm_packs_epi32(y[0], y[1]);
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(words, words));
}

/* Four sums of four pixels as four bytes of chroma. */
static inline void chroma4(__m128i two, __m128i more, const int16_t of[4], uint8_t *to)
{
    __m128i c = _mm_add_epi32(dot4(two, more, factors(of)), _mm_set1_epi32(C_BIAS));
    __m128i words = _mm_packs_epi32(_mm_srai_epi32(c, BITS + 2), _mm_setzero_si128());
    int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(to, &bytes, sizeof(bytes));
}

static int convert_fast(const struct rows *r, int width)
{
    int x = 0;
    for (; x + 8 <= width; x += 8) {
        __m128i sums[4] = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128(),
                           _mm_setzero_si128()};
        luma8(r->rgba[0] + (size_t)x * 4, r->y[0] + x, sums);
        luma8(r->rgba[1] + (size_t)x * 4, r->y[1] + x, sums);
        for (int i = 0; i < 4; i++) /* its two pixels, into the lower half */
            sums[i] = _mm_add_epi16(sums[i], _mm_srli_si128(sums[i], 8));
        __m128i two = _mm_unpacklo_epi64(sums[0], sums[1]);
        __m128i more = _mm_unpacklo_epi64(sums[2], sums[3]);
        chroma4(two, more, u_of, r->u + x / 2);
        chroma4(two, more, v_of, r->v + x / 2);
    }
    return x;
}
#else
static int convert_fast(const struct rows *r, int width)
{
    (void)r;
    (void)width;
    return 0;
}
#endif

void convert_picture(const uint8_t *rgba, int width, int height, const struct yuv *to)
{
    assert(width % 2 == 0 && height % 2 == 0);
    size_t row_bytes = (size_t)width * 4;
    for (int row = 0; row < height; row += 2) {
        uint8_t *y = to->plane[0] + (ptrdiff_t)row * to->stride[0];
        const struct rows r = {
            .rgba = {rgba + (size_t)row * row_bytes, rgba + (size_t)(row + 1) * row_bytes},
            .y = {y, y + to->stride[0]},
            .u = to->plane[1] + (ptrdiff_t)(row / 2) * to->stride[1],
            .v = to->plane[2] + (ptrdiff_t)(row / 2) * to->stride[2],
        };
        convert_plain(&r, convert_fast(&r, width), width);
    }
}
