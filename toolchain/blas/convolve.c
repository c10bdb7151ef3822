/*
 * Convolutions without the matrix of what each place of the filter sees: the picture
 * is packed straight into the panels that the product reads.
 */
#include <stdlib.h>
#include <string.h>
#include "convolve.h"
#include "product.h"

struct seen { const struct facerec_window *w; const float *picture; };

typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));

/* Copies n numbers; calls of memcpy would take longer than most of these copies. */
static inline void copy(const float *from, size_t n, float *out)
{
    for (; n >= 4; n -= 4, from += 4, out += 4)
        *(vec4 *)out = *(const vec4 *)from;
    for (; n > 0; n--)
        *out++ = *from++;
}

static inline void zero(size_t n, float *out)
{
    for (; n >= 4; n -= 4, out += 4)
        *(vec4 *)out = (vec4){0};
    for (; n > 0; n--)
        *out++ = 0;
}

/* Copies n numbers of a picture's row, from stride to stride, beginning at column x. */
static inline void copy_row(const float *row, ptrdiff_t nc, ptrdiff_t x, ptrdiff_t stride, ptrdiff_t n, float *out)
{
    for (; n > 0 && x < 0; n--, x += stride)
        *out++ = 0;
    ptrdiff_t inside = x < nc ? (nc - x + stride - 1) / stride : 0;
    if (stride == 1 && inside >= n) { /* nearly always */
        copy(row + x, (size_t)n, out);
        return;
    }
    if (inside > n)
        inside = n;
    for (ptrdiff_t i = 0; i < inside; i++)
        out[i] = row[x + i * stride];
    zero((size_t)(n - inside), out + inside);
}

/*
 * A pack_fn. Row k of B is the number (channel, y, x) of the filter, column j the place
 * (r, c) of the result. Columns of one row of the result read along one row of the picture.
 */
static void pack(const void *of, size_t k0, size_t kc, size_t j0, size_t nc, size_t nr, float *out)
{
    const struct seen *s = of;
    const struct facerec_window *w = s->w;
    const size_t size = (size_t)(w->filter_nr * w->filter_nc);
    for (size_t j = j0; j < j0 + nc; j += nr) {
        const size_t wide = j0 + nc - j < nr ? j0 + nc - j : nr;
        const ptrdiff_t r0 = (ptrdiff_t)j / w->columns, c0 = (ptrdiff_t)j % w->columns;
        const float *channel = s->picture + (ptrdiff_t)(k0 / size) * w->nr * w->nc;
        ptrdiff_t y = (ptrdiff_t)(k0 % size) / w->filter_nc, x = (ptrdiff_t)(k0 % size) % w->filter_nc;
        for (size_t k = 0; k < kc; k++, out += nr) {
            ptrdiff_t r = r0, c = c0;
            for (size_t done = 0; done < wide; r++, c = 0) {
                size_t run = (size_t)(w->columns - c);
                if (run > wide - done)
                    run = wide - done;
                const ptrdiff_t yy = r * w->stride_y - w->padding_y + y;
                if (yy < 0 || yy >= w->nr)
                    zero(run, out + done);
                else
                    copy_row(channel + yy * w->nc, w->nc, c * w->stride_x - w->padding_x + x, w->stride_x, (ptrdiff_t)run, out + done);
                done += run;
            }
            zero(nr - wide, out + wide);
            if (++x == w->filter_nc) {
                x = 0;
                if (++y == w->filter_nr) {
                    y = 0;
                    channel += w->nr * w->nc;
                }
            }
        }
    }
}

void facerec_convolve(const struct facerec_window *w, size_t filters, const float *filter, const float *picture, int add, float *out)
{
    const size_t places = (size_t)(w->rows * w->columns), k = (size_t)(w->channels * w->filter_nr * w->filter_nc);
    if (filters == 0 || places == 0)
        return;
    const struct seen s = {w, picture};
    const struct view a = {filter, k, 1};
    float *sums = out;
    if (add && (sums = malloc(filters * places * sizeof *sums)) == NULL)
        abort();
    memset(sums, 0, filters * places * sizeof *sums);
    if (k > 0 && facerec_product(filters, places, k, a, pack, &s, sums, places) != 0)
        abort();
    if (!add)
        return;
    for (size_t i = 0; i < filters * places; i++)
        out[i] += sums[i];
    free(sums);
}
