/*
 * hog_features for one width of vector; see kernels.h for what is defined here.
 *
 * Pixels come in rows, and every row votes into two rows of cells: the strip,
 * a pair of floats for each bin of each column of cells, the upper row's and
 * the lower row's. When no row of pixels is left for the upper one it is
 * finished, and everything that depends on it is computed at once: nothing of
 * the picture's size is ever written but the answer.
 */

/* Three planes of floats out of a row of pixels. */
HOG_ATTR static void HOG_ID(planes)(const unsigned char *rgb, long n, float *red, float *green, float *blue)
{
    for (long i = 0; i < n; i++) {
        red[i] = rgb[3 * i];
        green[i] = rgb[3 * i + 1];
        blue[i] = rgb[3 * i + 2];
    }
}

/*
 * The gradient's length and its bin, 0 to 17, of pixels from, from+1 … to-1 and
 * as many more as fill a vector. row[d][k] is plane k of the row above (0), of
 * the row itself (1) and below (2). Of channels with equally long gradients
 * dlib takes the last, or, where last is 0, the first.
 */
HOG_ATTR static inline void HOG_ID(gradients)(float *const row[3][3], long from, long to, int last, float *length, int *bin)
{
    for (long x = from; x < to; x += HOG_LANES) {
        HOG_V gx, gy, len;
        for (int k = 0; k < 3; k++) {
            HOG_V h = *(const HOG_V *)(row[1][k] + x + 1) - *(const HOG_V *)(row[1][k] + x - 1);
            HOG_V v = *(const HOG_V *)(row[2][k] + x) - *(const HOG_V *)(row[0][k] + x);
            HOG_V l = h * h + v * v;
            if (k == 0) {
                gx = h, gy = v, len = l;
                continue;
            }
            HOG_M keep = last ? len > l : len >= l;
            gx = keep ? gx : h;
            gy = keep ? gy : v;
            len = keep ? len : l;
        }
        *(HOG_V *)(length + x) = HOG_SQRT(len);

        /* Directions o and 9-o mirror each other and share their products. */
        HOG_V dot[9];
        dot[0] = gx;
        for (int o = 1; o < 5; o++) {
            HOG_V a = gx * direction[o][0], b = gy * direction[o][1];
            dot[o] = a + b;
            dot[9 - o] = b - a;
        }
        HOG_V best = {0}, signed_best = {0};
        HOG_I o_best = {0};
        for (int o = 0; o < 9; o++) {
            HOG_V size = (HOG_V)((HOG_I)dot[o] & 0x7fffffff);
            HOG_M better = size > best;
            best = better ? size : best;
            signed_best = better ? dot[o] : signed_best;
            o_best = better ? (HOG_I){0} + o : o_best;
        }
        *(HOG_I *)(bin + x) = o_best + (signed_best < 0 ? (HOG_I){0} + 9 : (HOG_I){0});
    }
}

/* Votes of pixels 1 … visible-1: each goes to four cells, by its distance from their centres. */
HOG_ATTR static void HOG_ID(vote)(const struct job *j, long y, hog_pair *strip)
{
    const float fy = ((y + 4) % HOG_CELL + 0.5f) / HOG_CELL;
    const hog_quad across = {1 - fy, fy, 1 - fy, fy};
    for (long x = 1; x < j->visible;) {
        long column = (x + 4) / HOG_CELL, end = (column + 1) * HOG_CELL - 4;
        if (end > j->visible)
            end = j->visible;
        hog_pair *left = strip + column * HOG_BINS, *right = left + HOG_BINS;
        for (; x < end; x++) {
            const hog_quad along = weight[(x + 4) % HOG_CELL];
            const float l = j->length[x];
            /* dlib rounds differently in what is left of a row. */
            const hog_quad share = x < j->whole ? across * (along * l) : (across * along) * l;
            const int o = j->bin[x];
            left[o] += __builtin_shufflevector(share, share, 0, 1);
            right[o] += __builtin_shufflevector(share, share, 2, 3);
        }
    }
}

/* The features of one row of cells, from the histograms of that row and the
 * energies of the four blocks that each of its cells belongs to. */
HOG_ATTR static void HOG_ID(normalise)(const struct job *j, const float *hist, const float *above, const float *below,
                                       const float *above_inverse, const float *below_inverse)
{
    const size_t w = j->width;
    for (long x = 0; x < j->columns - 2; x += HOG_LANES) {
        const HOG_V most[4] = {*(const HOG_V *)(below + x + 1), *(const HOG_V *)(above + x + 1), *(const HOG_V *)(below + x), *(const HOG_V *)(above + x)};
        const HOG_V per[4] = {*(const HOG_V *)(below_inverse + x + 1), *(const HOG_V *)(above_inverse + x + 1),
                              *(const HOG_V *)(below_inverse + x), *(const HOG_V *)(above_inverse + x)};
        const float *h = hist + x + 1;
        float *out = j->features + x;
        HOG_V texture[4] = {{0}, {0}, {0}, {0}};
        for (int o = 0; o < HOG_BINS; o += 3) {
            HOG_V part[3][4];
            for (int i = 0; i < 3; i++) {
                HOG_V v = *(const HOG_V *)(h + (o + i) * w);
                for (int k = 0; k < 4; k++)
                    part[i][k] = HOG_MIN(v, most[k]) * per[k];
                *(HOG_V *)(out + (o + i) * w) = (part[i][0] + part[i][1]) + (part[i][2] + part[i][3]);
            }
            for (int k = 0; k < 4; k++)
                texture[k] += part[0][k] + part[1][k] + part[2][k];
        }
        for (int o = 0; o < HOG_BINS / 2; o++) {
            HOG_V v = *(const HOG_V *)(h + o * w) + *(const HOG_V *)(h + (o + HOG_BINS / 2) * w), part[4];
            for (int k = 0; k < 4; k++)
                part[k] = HOG_MIN(v, most[k]) * per[k];
            *(HOG_V *)(out + (HOG_BINS + o) * w) = (part[0] + part[1]) + (part[2] + part[3]);
        }
        for (int k = 0; k < 4; k++)
            *(HOG_V *)(out + (27 + k) * w) = texture[k] * (float)(2 * 0.2357);
    }
}

/* Row r of cells is finished: it stands in the strip's upper half. */
HOG_ATTR static void HOG_ID(finish)(struct job *j, long r, const hog_pair *strip)
{
    const size_t w = j->width;
    float *hist = j->hist[r & 1], *energy = j->energy[r & 1];
    for (long c = 0; c < j->columns; c++)
        for (int o = 0; o < HOG_BINS; o++)
            hist[o * w + c] = strip[(c + 1) * HOG_BINS + o][0];
    for (long c = 0; c < j->columns; c += HOG_LANES) {
        HOG_V sum = {0};
        for (int o = 0; o < HOG_BINS / 2; o++) {
            HOG_V v = *(const HOG_V *)(hist + o * w + c) + *(const HOG_V *)(hist + (o + HOG_BINS / 2) * w + c);
            sum += v * v;
        }
        *(HOG_V *)(energy + c) = sum;
    }
    if (r < 1)
        return;
    const float *before = j->energy[(r - 1) & 1];
    float *block = j->block[(r - 1) & 1], *inverse = j->inverse[(r - 1) & 1];
    for (long c = 0; c < j->columns - 1; c += HOG_LANES) {
        HOG_V sum = *(const HOG_V *)(before + c) + *(const HOG_V *)(before + c + 1) + *(const HOG_V *)(energy + c) + *(const HOG_V *)(energy + c + 1);
        HOG_V root = 0.2f * HOG_SQRT(sum + 0.0001f);
        *(HOG_V *)(block + c) = root;
        *(HOG_V *)(inverse + c) = 0.1f / root;
    }
    if (r < 2)
        return;
    HOG_ID(normalise)(j, j->hist[(r - 1) & 1], j->block[r & 1], block, j->inverse[r & 1], inverse);
    for (int p = 0; p < HOG_PLANES; p++)
        memcpy(j->plane[p] + (r - 2) * j->stride, j->features + p * w, (j->columns - 2) * sizeof(float));
}

HOG_ATTR static void HOG_ID(features)(struct job *j, const unsigned char *rgb, long nr, long nc)
{
    float *ring[3][3];
    for (int s = 0; s < 3; s++)
        for (int k = 0; k < 3; k++)
            ring[s][k] = j->planes + (3 * s + k) * j->pixels;
    for (int s = 0; s < 2; s++)
        HOG_ID(planes)(rgb + s * 3 * nc, nc, ring[s][0], ring[s][1], ring[s][2]);
    const size_t size = (j->columns + 2) * HOG_BINS;
    long upper = 0; /* of the two rows of cells in the strip, one further than the picture's own */
    for (long y = 1; y < (nr < j->rows * HOG_CELL ? nr : j->rows * HOG_CELL) - 1; y++) {
        float **next = ring[(y + 1) % 3];
        HOG_ID(planes)(rgb + (y + 1) * 3 * nc, nc, next[0], next[1], next[2]);
        float *const row[3][3] = {
            {ring[(y - 1) % 3][0], ring[(y - 1) % 3][1], ring[(y - 1) % 3][2]},
            {ring[y % 3][0], ring[y % 3][1], ring[y % 3][2]},
            {next[0], next[1], next[2]},
        };
        HOG_ID(gradients)(row, 1, j->whole, 1, j->length, j->bin);
        HOG_ID(gradients)(row, j->whole, j->visible, 0, j->length, j->bin);
        for (; upper < (y + 4) / HOG_CELL; upper++) {
            if (upper > 0)
                HOG_ID(finish)(j, upper - 1, j->strip);
            for (size_t i = 0; i < size; i++)
                j->strip[i] = (hog_pair){j->strip[i][1], 0};
        }
        HOG_ID(vote)(j, y, j->strip);
    }
    for (; upper <= j->rows; upper++) {
        if (upper > 0)
            HOG_ID(finish)(j, upper - 1, j->strip);
        for (size_t i = 0; i < size; i++)
            j->strip[i] = (hog_pair){j->strip[i][1], 0};
    }
}
