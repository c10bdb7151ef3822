/*
 * hog_filter for one width of vector; see kernels.h for what is defined here.
 *
 * dlib sums eight columns at a time as three interleaved sums, and what is left
 * of a row, fewer than eight columns, as one.
 */

/* Ten taps, each a vector: first[0], first[step], first[2*step] … */
#define HOG_TAP(V, k) (coefficient[k] * *(const V *)(first + (k) * step))

#define HOG_INTERLEAVED(V)                                                                     \
    ((HOG_TAP(V, 0) + HOG_TAP(V, 3) + HOG_TAP(V, 6) + HOG_TAP(V, 9)) +                         \
     ((HOG_TAP(V, 1) + HOG_TAP(V, 4) + HOG_TAP(V, 7)) + (HOG_TAP(V, 2) + HOG_TAP(V, 5) + HOG_TAP(V, 8))))

#define HOG_IN_TURN(V)                                                                         \
    (HOG_TAP(V, 0) + HOG_TAP(V, 1) + HOG_TAP(V, 2) + HOG_TAP(V, 3) + HOG_TAP(V, 4) +           \
     HOG_TAP(V, 5) + HOG_TAP(V, 6) + HOG_TAP(V, 7) + HOG_TAP(V, 8) + HOG_TAP(V, 9))

/* One row of width results. May read HOG_PAD floats further, of each tap. */
HOG_ATTR static inline void HOG_ID(taps)(const float *in, size_t step, const float *f, float *out, long width, int add)
{
    float coefficient[HOG_TAPS];
    memcpy(coefficient, f, sizeof coefficient);
    const long whole = width / 8 * 8;
    long c = 0;
    for (; c + HOG_LANES <= whole; c += HOG_LANES) {
        const float *first = in + c;
        HOG_V s = HOG_INTERLEAVED(HOG_V);
        HOG_V *o = (HOG_V *)(out + c);
        *o = add ? s + *o : s;
    }
#if HOG_LANES > 8
    for (; c < whole; c += 8) {
        const float *first = in + c;
        HOG_V8 s = HOG_INTERLEAVED(HOG_V8);
        HOG_V8 *o = (HOG_V8 *)(out + c);
        *o = add ? s + *o : s;
    }
#endif
    for (; c < width; c += 4) {
        const float *first = in + c;
        HOG_V4 s = HOG_IN_TURN(HOG_V4);
        for (long i = 0; i < 4 && c + i < width; i++)
            out[c + i] = add ? out[c + i] + s[i] : s[i];
    }
}

HOG_ATTR static void HOG_ID(filter)(const float *in, long nr, long nc, const float *row, const float *column,
                                    float *out, int add, float *scratch)
{
    const size_t stride = nc + HOG_PAD;
    const long width = nc - HOG_TAPS + 1;
    for (long r = 0; r < nr; r++, in += nc) {
        const float *from = in;
        if (r == nr - 1) /* nothing may be read behind the last row */
            from = (const float *)memcpy(scratch + nr * stride, in, nc * sizeof *in);
        HOG_ID(taps)(from, 1, row, scratch + r * stride, width, 0);
        long y = r - (HOG_TAPS - 1);
        if (y < 0)
            continue;
        /* The ten rows that a result needs were written just now: they are in the first-level cache. */
        if (add)
            HOG_ID(taps)(scratch + y * stride, stride, column, out + y * nc, width, 1);
        else
            HOG_ID(taps)(scratch + y * stride, stride, column, out + y * nc, width, 0);
    }
}

#undef HOG_TAP
#undef HOG_INTERLEAVED
#undef HOG_IN_TURN
