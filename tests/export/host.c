/* Images on standard input, logits on standard output, both as bytes: an exported network `net` on
   the host. Compiled with -include net.h. */
#include <stdio.h>

static uint8_t image[NET_IMAGE_BYTES];
static int32_t logits[NET_CLASSES];

int main(void) {
  while (fread(image, 1, sizeof image, stdin) == sizeof image) {
    net_run(image, logits);
    if (fwrite(logits, sizeof logits, 1, stdout) != 1) return 1;
  }
  return 0;
}
