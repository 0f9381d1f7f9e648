/* SPDX-License-Identifier: Apache-2.0
 *
 * Stands for NVIDIA's libnvidia-ml.so.1 in tests: the functions that nicarbon asks, with the
 * library's names, structures and error codes. What the cards are is read at each question from
 * the folder that NVML_STAND_IN names (nvml_stand_in.py describes the files).
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, UNKNOWN = 999
};
enum { PLACES = 100, MOST = 256 };
typedef unsigned long long u64;

typedef struct { unsigned pid; u64 t_us; unsigned sm, memory, encoder, decoder; } Utilisation;
typedef struct { unsigned pid; u64 memory; unsigned gpu_instance, compute_instance; } Holder;
typedef struct { u64 t_us; union { double d; unsigned u; u64 ull; } value; } Sample;
typedef struct { unsigned gpu, memory; } Rates;
typedef struct { unsigned pid; int sm; long long memory; u64 first_us, last_us; } Process;

static int initialised;
static int handles[MOST];

static const char *folder(void) {
    const char *path = getenv("NVML_STAND_IN");
    return path ? path : "/nonexistent";
}

static FILE *opened(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder(), name);
    return fopen(path, "r");
}

static u64 now_us(void) {
    u64 t = 0;
    FILE *file = opened("now_us");
    if (file) {
        if (fscanf(file, "%llu", &t) != 1) t = 0;
        fclose(file);
        return t;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (u64)now.tv_sec * 1000000 + (u64)now.tv_nsec / 1000;
}

static int exists(int index) {
    char name[64];
    snprintf(name, sizeof name, "device-%d", index);
    FILE *file = opened(name);
    if (file) fclose(file);
    return file != NULL;
}

/* The text of "key=text" in a device's file; 0 where it has none. */
static int text_of(int index, const char *key, char *out, size_t size) {
    char name[64], line[512];
    int found = 0;
    snprintf(name, sizeof name, "device-%d", index);
    FILE *file = opened(name);
    if (!file) return 0;
    while (!found && fgets(line, sizeof line, file)) {
        size_t n = strlen(key);
        if (strncmp(line, key, n) == 0 && line[n] == '=') {
            line[strcspn(line, "\n")] = 0;
            snprintf(out, size, "%s", line + n + 1);
            found = 1;
        }
    }
    fclose(file);
    return found;
}

static int number_of(int index, const char *key, double *out) {
    char text[128];
    if (!text_of(index, key, text, sizeof text)) return 0;
    *out = strtod(text, NULL);
    return 1;
}

/* What every question about a device begins with. */
static int refusal(const int *handle, int *index) {
    double code;
    if (!initialised) return UNINITIALIZED;
    if (!handle) return INVALID_ARGUMENT;
    *index = (int)(handle - handles);
    if (!exists(*index)) return UNKNOWN;
    if (number_of(*index, "error", &code)) return (int)code;
    return SUCCESS;
}

static int whole(const int *handle, const char *key, unsigned *out) {
    int index, code = refusal(handle, &index);
    double value;
    if (code) return code;
    if (!number_of(index, key, &value)) return NOT_SUPPORTED;
    *out = (unsigned)value;
    return SUCCESS;
}

static int text(const int *handle, const char *key, char *out, unsigned size) {
    int index, code = refusal(handle, &index);
    if (code) return code;
    return text_of(index, key, out, size) ? SUCCESS : NOT_SUPPORTED;
}

static int processes(int index, Process *out) {
    int n = 0;
    struct dirent *entry;
    DIR *dir = opendir(folder());
    if (!dir) return 0;
    while (n < MOST && (entry = readdir(dir))) {
        int of;
        Process p;
        if (strncmp(entry->d_name, "process-", 8) != 0) continue;
        FILE *file = opened(entry->d_name);
        if (!file) continue;
        while (n < MOST && fscanf(file, "%d %u %d %lld %llu %llu", &of, &p.pid, &p.sm, &p.memory,
                                  &p.first_us, &p.last_us) == 6)
            if (of == index) out[n++] = p;
        fclose(file);
    }
    closedir(dir);
    return n;
}

int nvmlInitWithFlags(unsigned flags) {
    double code;
    (void)flags;
    FILE *file = opened("init_error");
    if (file) {
        int n = fscanf(file, "%lf", &code);
        fclose(file);
        return n == 1 ? (int)code : DRIVER_NOT_LOADED;
    }
    initialised++;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    if (!initialised) return UNINITIALIZED;
    initialised--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) {
    switch (code) {
    case NOT_SUPPORTED: return "Not Supported";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case 15: return "GPU is lost";
    case 18: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    if (!initialised) return UNINITIALIZED;
    snprintf(out, size, "000.00.stand-in");
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    if (!initialised) return UNINITIALIZED;
    for (*count = 0; exists((int)*count);) ++*count;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, int **handle) {
    double code;
    if (!initialised) return UNINITIALIZED;
    if (index >= MOST || !exists((int)index)) return INVALID_ARGUMENT;
    if (number_of((int)index, "handle_error", &code)) return (int)code;
    *handle = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(int *h, char *out, unsigned size) { return text(h, "uuid", out, size); }
int nvmlDeviceGetName(int *h, char *out, unsigned size) { return text(h, "name", out, size); }
int nvmlDeviceGetMinorNumber(int *h, unsigned *out) { return whole(h, "minor", out); }
int nvmlDeviceGetEnforcedPowerLimit(int *h, unsigned *out) { return whole(h, "limit_mw", out); }
int nvmlDeviceGetPowerUsage(int *h, unsigned *out) { return whole(h, "power_mw", out); }

int nvmlDeviceGetMigMode(int *h, unsigned *now, unsigned *pending) {
    int code = whole(h, "mig", now);
    *pending = *now;
    return code;
}

int nvmlDeviceGetUtilizationRates(int *h, Rates *out) {
    out->memory = 0;
    return whole(h, "utilisation", &out->gpu);
}

int nvmlDeviceGetTotalEnergyConsumption(int *h, u64 *out) {
    char value[64];
    double watts, since_us;
    int index, code = refusal(h, &index);
    if (code) return code;
    if (!text_of(index, "energy_mj", value, sizeof value)) return NOT_SUPPORTED;
    *out = strtoull(value, NULL, 10);
    if (number_of(index, "watts", &watts) && number_of(index, "since_us", &since_us))
        *out += (u64)(watts * ((double)now_us() - since_us) / 1000);
    return SUCCESS;
}

int nvmlDeviceGetSamples(int *h, int kind, u64 since_us, int *type, unsigned *n, Sample *out) {
    char name[64];
    Sample sample;
    unsigned found = 0;
    int index, code = refusal(h, &index);
    if (code) return code;
    snprintf(name, sizeof name, "power-%d", index);
    FILE *file = opened(name);
    if (kind != 0 || !file) {
        if (file) fclose(file);
        return NOT_SUPPORTED;
    }
    while (fscanf(file, "%llu %u", &sample.t_us, &sample.value.u) == 2)
        if (sample.t_us > since_us && sample.t_us <= now_us()) {
            if (out && found < *n) out[found] = sample;
            found++;
        }
    fclose(file);
    *type = 1; /* unsigned int */
    *n = found;
    return found ? SUCCESS : NOT_FOUND;
}

/* As driver 460 and later do: a hundred places are asked for, and each process that computed
 * since gets one, with its mean since then. */
int nvmlDeviceGetProcessUtilization(int *h, Utilisation *out, unsigned *n, u64 since_us) {
    Process all[MOST];
    double flag;
    unsigned found = 0;
    int index, code = refusal(h, &index);
    u64 now = now_us();
    if (code) return code;
    if (!number_of(index, "sm", &flag)) return NOT_SUPPORTED;
    if (!out) {
        *n = PLACES;
        return INSUFFICIENT_SIZE;
    }
    int count = processes(index, all);
    for (int i = 0; i < count && found < *n; i++) {
        u64 first = all[i].first_us > since_us ? all[i].first_us : since_us;
        u64 last = all[i].last_us < now ? all[i].last_us : now;
        if (all[i].sm == 0 || last <= first) continue;
        out[found].pid = all[i].pid;
        out[found].t_us = last;
        out[found].memory = out[found].encoder = out[found].decoder = 0;
        out[found].sm = (unsigned)(all[i].sm * (double)(last - first) / (double)(now - since_us) + 0.5);
        found++;
    }
    if (number_of(index, "rubbish", &flag)) /* Places that the driver did not fill. */
        for (; found < *n; found++)
            out[found] = (Utilisation){found * 7919, found % 2 ? 0 : ~0ULL, 3435973836u, 0, 0, 0};
    *n = found;
    return found ? SUCCESS : NOT_FOUND;
}

static int holders(int *h, unsigned *n, Holder *out, int wanted) {
    Process all[MOST];
    double flag;
    unsigned found = 0;
    int index, code = refusal(h, &index);
    u64 now = now_us();
    if (code) return code;
    if (number_of(index, "no_processes", &flag)) return NOT_SUPPORTED;
    int count = wanted ? processes(index, all) : 0;
    for (int i = 0; i < count; i++) {
        if (all[i].memory == 0 || now < all[i].first_us || now > all[i].last_us) continue;
        if (out && found < *n)
            out[found] = (Holder){all[i].pid, (u64)all[i].memory, ~0u, ~0u};
        found++;
    }
    int fits = out ? found <= *n : found == 0;
    *n = found;
    return fits ? SUCCESS : INSUFFICIENT_SIZE;
}

int nvmlDeviceGetComputeRunningProcesses_v3(int *h, unsigned *n, Holder *out) {
    return holders(h, n, out, 1);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(int *h, unsigned *n, Holder *out) {
    return holders(h, n, out, 0);
}
