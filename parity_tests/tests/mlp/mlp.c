/* A port of Linear(6, 8), ReLU, Linear(8, 4) that answers a folder of vectors in float32, following FORMAT.md.
 *
 *     cc -O2 -o mlp mlp.c && ./mlp DIR [MISTAKE]
 *
 * It knows the names of the rows and of their tensors, and reads no JSON but the tensors' places. A mistake is planted by
 * its name: no-bias, transposed, mean-gradient, slope-at-zero; "forward" is none, and answers the outputs alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5, IN = 6, HIDDEN = 8, OUT = 4 };

static const char *folder, *mistake = "";
static int planted(const char *name) { return !strcmp(mistake, name); }

static void fail(const char *what, const char *name) {
    fprintf(stderr, "mlp: %s: %s\n", what, name);
    exit(2);
}

/* --- safetensors: 8 bytes with the header's length, the header, the data, all little-endian --------------------------- */

typedef struct { char *header; unsigned char *data; } File;

static File opened(const char *row) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.safetensors", folder, row);
    FILE *file = fopen(path, "rb");
    uint64_t length = 0;
    if (!file || fread(&length, 8, 1, file) != 1 || length > 1 << 22) fail("cannot be read", path);
    fseek(file, 0, SEEK_END);
    long rest = ftell(file) - 8 - (long)length;
    fseek(file, 8, SEEK_SET);
    File found = {calloc(length + 1, 1), malloc(rest > 0 ? rest : 1)};
    if (rest < 0 || fread(found.header, 1, length, file) != length) fail("is truncated", path);
    if (fread(found.data, 1, rest, file) != (size_t)rest) fail("is truncated", path);
    fclose(file);
    return found;
}

static void read_tensor(File file, const char *name, float *values, int count) {
    char key[256];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *entry = strstr(file.header, key), *places = entry ? strstr(entry, "\"data_offsets\":[") : NULL;
    long from, to;
    if (!places || sscanf(places, "\"data_offsets\":[%ld,%ld]", &from, &to) != 2) fail("there is no tensor", name);
    if (to - from != 4l * count) fail("another size", name);
    memcpy(values, file.data + from, to - from);
}

typedef struct { char header[4096]; float data[4096]; int used; } Answer;

static void give(Answer *answer, const char *what, const float *values, int rows, int columns) {
    char shape[64];
    snprintf(shape, sizeof shape, columns ? "%d,%d" : "%d", rows, columns);
    int count = rows * (columns ? columns : 1), at = (int)strlen(answer->header);
    if (planted("forward") && strncmp(what, "output", 6)) return;
    snprintf(answer->header + at, sizeof answer->header - at,
             "%s\"float32/train/%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", at ? "," : "", what, shape,
             4 * answer->used, 4 * (answer->used + count));
    memcpy(answer->data + answer->used, values, 4 * count);
    answer->used += count;
}

static void write_answer(const char *row, const Answer *answer) {
    char path[1024], part[1100];
    snprintf(path, sizeof path, "%s/answers/%s.safetensors", folder, row);
    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "wb");
    if (!file) fail("cannot be written", part);
    uint64_t length = strlen(answer->header) + 2;
    fwrite(&length, 8, 1, file);
    fprintf(file, "{%s}", answer->header);
    fwrite(answer->data, 4, answer->used, file);
    if (fclose(file) || rename(part, path)) fail("cannot be written", path);
}

/* --- the layers ------------------------------------------------------------------------------------------------------- */

/* y = x w^T + b, and from dy the gradients of x, w and b. */
static void linear(const float *x, const float *w, const float *b, int in, int out, float *y) {
    for (int n = 0; n < N; n++)
        for (int o = 0; o < out; o++) {
            float sum = planted("no-bias") && out == OUT ? 0 : b[o];
            for (int i = 0; i < in; i++) sum += x[n * in + i] * (planted("transposed") ? w[i * out + o] : w[o * in + i]);
            y[n * out + o] = sum;
        }
}

static void linear_back(const float *x, const float *w, const float *dy, int in, int out, float *dx, float *dw, float *db) {
    float scale = planted("mean-gradient") ? 1.0f / N : 1;
    memset(dx, 0, 4 * N * in);
    memset(dw, 0, 4 * out * in);
    memset(db, 0, 4 * out);
    for (int n = 0; n < N; n++)
        for (int o = 0; o < out; o++) {
            db[o] += scale * dy[n * out + o];
            for (int i = 0; i < in; i++) {
                dx[n * in + i] += dy[n * out + o] * (planted("transposed") ? w[i * out + o] : w[o * in + i]);
                dw[planted("transposed") ? i * out + o : o * in + i] += scale * dy[n * out + o] * x[n * in + i];
            }
        }
}

static void relu(const float *x, float *y) {
    for (int i = 0; i < N * HIDDEN; i++) y[i] = x[i] > 0 ? x[i] : 0;
}

static void relu_back(const float *x, const float *dy, float *dx) {
    for (int i = 0; i < N * HIDDEN; i++) dx[i] = x[i] > 0 || (planted("slope-at-zero") && x[i] == 0) ? dy[i] : 0;
}

/* --- the rows --------------------------------------------------------------------------------------------------------- */

static float x[N * IN], h[N * HIDDEN], a[N * HIDDEN], y[N * OUT], dx[N * IN], dh[N * HIDDEN], da[N * HIDDEN], dy[N * OUT];
static float w1[HIDDEN * IN], b1[HIDDEN], w2[OUT * HIDDEN], b2[OUT];
static float dw1[HIDDEN * IN], db1[HIDDEN], dw2[OUT * HIDDEN], db2[OUT];

static void answer_linear(const char *row, int in, int out) {
    static float input[N * HIDDEN], weight[HIDDEN * HIDDEN], bias[HIDDEN], output[N * HIDDEN], cotangent[N * HIDDEN];
    static float dinput[N * HIDDEN], dweight[HIDDEN * HIDDEN], dbias[HIDDEN];
    File file = opened(row);
    read_tensor(file, "input 0", input, N * in);
    read_tensor(file, "parameter weight", weight, out * in);
    read_tensor(file, "parameter bias", bias, out);
    read_tensor(file, "cotangent", cotangent, N * out);
    linear(input, weight, bias, in, out, output);
    linear_back(input, weight, cotangent, in, out, dinput, dweight, dbias);
    Answer answer = {""};
    give(&answer, "output", output, N, out);
    give(&answer, "grad input", dinput, N, in);
    give(&answer, "grad weight", dweight, out, in);
    give(&answer, "grad bias", dbias, out, 0);
    write_answer(row, &answer);
}

static void answer_relu(const char *row) {
    File file = opened(row);
    read_tensor(file, "input 0", h, N * HIDDEN);
    read_tensor(file, "cotangent", da, N * HIDDEN);
    relu(h, a);
    relu_back(h, da, dh);
    Answer answer = {""};
    give(&answer, "output", a, N, HIDDEN);
    give(&answer, "grad input", dh, N, HIDDEN);
    write_answer(row, &answer);
}

static void answer_whole(const char *row) {
    File file = opened(row);
    read_tensor(file, "input 0", x, N * IN);
    read_tensor(file, "parameter fc1.weight", w1, HIDDEN * IN);
    read_tensor(file, "parameter fc1.bias", b1, HIDDEN);
    read_tensor(file, "parameter fc2.weight", w2, OUT * HIDDEN);
    read_tensor(file, "parameter fc2.bias", b2, OUT);
    read_tensor(file, "cotangent", dy, N * OUT);
    linear(x, w1, b1, IN, HIDDEN, h);
    relu(h, a);
    linear(a, w2, b2, HIDDEN, OUT, y);
    linear_back(a, w2, dy, HIDDEN, OUT, da, dw2, db2);
    relu_back(h, da, dh);
    linear_back(x, w1, dh, IN, HIDDEN, dx, dw1, db1);
    Answer answer = {""};
    give(&answer, "output", y, N, OUT);
    give(&answer, "grad input", dx, N, IN);
    give(&answer, "grad fc1.weight", dw1, HIDDEN, IN);
    give(&answer, "grad fc1.bias", db1, HIDDEN, 0);
    give(&answer, "grad fc2.weight", dw2, OUT, HIDDEN);
    give(&answer, "grad fc2.bias", db2, OUT, 0);
    write_answer(row, &answer);
}

int main(int count, char **words) {
    if (count < 2) fail("usage", "mlp DIR [MISTAKE]");
    folder = words[1];
    mistake = count > 2 ? words[2] : "";
    answer_linear("train-001-fc1", IN, HIDDEN);
    answer_relu("train-002-act");
    answer_relu("train-002-act-kinks");
    answer_linear("train-003-fc2", HIDDEN, OUT);
    answer_whole("train-model");
    return 0;
}
