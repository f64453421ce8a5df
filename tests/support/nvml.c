/* Stands in for libnvidia-ml.so.1. What it does is chosen when it is built: -DINIT=<expression> is what nvmlInit_v2 returns. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Never comes back, as a driver does that waits for a card. */
int hang(void) { for (;;) pause(); }
/* Crashes, as a damaged library does. */
int crash(void) { return *(volatile int *)0; }
/* Prints where only answers belong. */
int chatter(void) { puts("{\"answer\":\"no_driver\"}\nNVRM: hello"); fflush(stdout); return 0; }

int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return hang(); }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "580.159.04"); return 0; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return 0; }
int nvmlSystemGetCudaDriverVersion(int *version) { *version = 13000; return 0; }

/* Three cards; the last one has fallen off the bus (NVML_ERROR_GPU_IS_LOST). */
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)(size_t)(index + 1); return index == 2 ? 15 : 0; }

struct pci { char legacy[16]; unsigned domain, bus, device, id, subsystem; char address[32]; };
int nvmlDeviceGetPciInfo_v3(void *device, struct pci *info) {
  memset(info, 0, sizeof *info);
  snprintf(info->address, sizeof info->address, "0000000%d:3B:00.0", device == (void *)1 ? 0 : 1);
  return 0;
}
int nvmlDeviceGetName(void *device, char *text, unsigned size) { (void)device; snprintf(text, size, "NVIDIA H200"); return 0; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) { snprintf(text, size, "GPU-%zu", (size_t)device); return 0; }
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees) { (void)device, (void)sensor; *degrees = 39; return 0; }
int nvmlDeviceGetEccMode(void *device, int *current, int *pending) { (void)device; *current = *pending = 1; return 0; }
int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) { (void)device; *current = *pending = 0; return 0; }
int nvmlDeviceGetCurrPcieLinkGeneration(void *device, unsigned *value) { (void)device; *value = 5; return 0; }
int nvmlDeviceGetCurrPcieLinkWidth(void *device, unsigned *value) { (void)device; *value = 16; return 0; }
int nvmlDeviceGetVirtualizationMode(void *device, int *mode) { (void)device; *mode = 1; return 0; }

/* Libraries before R510 lack this one: build with -DOLD. */
#ifndef OLD
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *info) { (void)device; info->total = 143771ULL << 20; return 0; }
#endif
