/* An exported network `net` on a Cortex-M board without any library: reads images.raw, writes
   logits.raw (int32, little-endian) and cost.raw, two uint32: the most stack in bytes that net_run
   took, and how many ticks of 40 ns (with -icount shift=0: of 40 instructions) the last image, through
   semihosting (Arm document 2863), which qemu serves. Compiled with -include net.h. */
#include <stddef.h>

/* From board.ld. */
extern uint32_t bss_start[], bss_end[], data_start[], data_end[], data_load[], stack_top[];

enum { kOpen = 0x01, kClose = 0x02, kWrite = 0x05, kRead = 0x06, kExit = 0x18 };
enum { kReadBytes = 1, kWriteBytes = 5 };
static const uint32_t kPaint = 0xA5A5A5A5u;
/* Timer 0 of the boards: control, value, reload; it counts down at 25 MHz. */
static volatile uint32_t *const kTimer = (volatile uint32_t *)0x40000000;

static int32_t semihost(int32_t operation, const void *arguments) {
  register int32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static int32_t open_file(const char *name, uint32_t length, uint32_t mode) {
  const uint32_t arguments[3] = {(uint32_t)name, mode, length};
  return semihost(kOpen, arguments);
}

/* Bytes that were not read or written. */
static int32_t transfer(int32_t operation, int32_t file, void *data, uint32_t size) {
  const uint32_t arguments[3] = {(uint32_t)file, (uint32_t)data, size};
  return semihost(operation, arguments);
}

static void close_file(int32_t file) {
  const uint32_t arguments[1] = {(uint32_t)file};
  semihost(kClose, arguments);
}

static struct {
  uint32_t stack_bytes, ticks;
} cost;

/* The words between the variables and the stack pointer are marked; the lowest that has changed tells
   how deep calls went. */
static void run_and_measure(const uint8_t *image, int32_t *logits) {
  volatile uint32_t *word;
  const volatile uint32_t *pointer;
  uint32_t start, stack_bytes;
  __asm__ volatile("mov %0, sp" : "=r"(pointer));
  for (word = bss_end; word < pointer; ++word) *word = kPaint;
  kTimer[2] = kTimer[1] = 0xffffffffu;
  kTimer[0] = 1;
  start = kTimer[1];
  net_run(image, logits);
  cost.ticks = start - kTimer[1];
  for (word = bss_end; word < pointer && *word == kPaint; ++word) {
  }
  stack_bytes = (uint32_t)pointer - (uint32_t)word;
  if (stack_bytes > cost.stack_bytes) cost.stack_bytes = stack_bytes;
}

static uint8_t image[NET_IMAGE_BYTES];
static int32_t logits[NET_CLASSES];

static void classify(void) {
  const int32_t images = open_file("images.raw", 10, kReadBytes);
  const int32_t results = open_file("logits.raw", 10, kWriteBytes);
  const int32_t report = open_file("cost.raw", 8, kWriteBytes);
  while (transfer(kRead, images, image, sizeof image) == 0) {
    run_and_measure(image, logits);
    transfer(kWrite, results, logits, sizeof logits);
  }
  transfer(kWrite, report, &cost, sizeof cost);
  close_file(images);
  close_file(results);
  close_file(report);
}

static void reset(void) {
  volatile uint32_t *to;
  const uint32_t *from = data_load;
  for (to = data_start; to < data_end; ++to) *to = *from++;
  for (to = bss_start; to < bss_end; ++to) *to = 0;
  classify();
  semihost(kExit, (const void *)0x20026); /* ADP_Stopped_ApplicationExit */
  for (;;) {
  }
}

static void fault(void) {
  semihost(kExit, (const void *)0x20023); /* ADP_Stopped_RunTimeErrorUnknown */
  for (;;) {
  }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    stack_top, (const void *)reset, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault};
