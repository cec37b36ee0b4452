// What is written beside an exported network: a main.c that classifies images on the host, and the
// Makefile that builds it.
#include <string>

#include "quant/export/c_export.hpp"
#include "quant/export/c_text.hpp"

namespace intandem {
namespace {

constexpr const char* kMain =
    R"MAIN(/* Classifies images: classify FILE... (PGM or PPM of the network's size), or
   classify --raw FILE... (pixels [HEIGHT][WIDTH][CHANNELS], one image behind another). Only this file
   needs a C library; on a microcontroller call NAME_run as main does. */
#include <stdio.h>
#include <string.h>

NAMED_PART
static uint8_t image[BIG_IMAGE_BYTES];
static int32_t logits[BIG_CLASSES];

/* A number of a PGM or PPM header, behind white space and comments; -1: there is none. Takes the one
   character of white space behind it, too. */
static long read_number(FILE *file) {
  long number = -1;
  int c = fgetc(file);
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#') {
      while (c != '\n' && c != EOF) c = fgetc(file);
    }
    c = fgetc(file);
  }
  for (; c >= '0' && c <= '9' && number < 100000; c = fgetc(file)) {
    number = (number < 0 ? 0 : number) * 10 + (c - '0');
  }
  return number;
}

/* Why this is no image of the right size; 0: it is one, and its pixels come next. */
static const char *read_header(FILE *file) {
  const int p = fgetc(file), kind = fgetc(file);
  long width, height, largest;
  if (p != 'P' || (kind != '5' && kind != '6')) return "neither PGM (P5) nor PPM (P6)";
  if ((kind == '5' ? 1 : 3) != BIG_CHANNELS) return "the network needs other channels";
  width = read_number(file);
  height = read_number(file);
  largest = read_number(file);
  if (width != BIG_WIDTH || height != BIG_HEIGHT) return "the network needs another size";
  return largest == 255 ? 0 : "its largest value is not 255";
}

static void print_class(const char *path, unsigned long number) {
  const uint32_t best = NAME_class(logits);
  uint32_t k;
  printf("%s: image %lu: class %lu", path, number, (unsigned long)best);
  if (class_names[0]) printf(" (%s)", class_names[best]);
  printf(", logits");
  for (k = 0; k < BIG_CLASSES; ++k) printf(" %ld", (long)logits[k]);
  printf("\n");
}

static int classify(const char *path, int raw) {
  unsigned long number = 0;
  const char *problem = 0;
  FILE *file = fopen(path, "rb");
  if (!file) problem = "cannot be opened";
  if (!problem && !raw) problem = read_header(file);
  while (!problem) {
    const size_t got = fread(image, 1, sizeof image, file);
    if (got == 0 && number > 0) break;
    if (got < sizeof image) {
      problem = "ends within an image";
      break;
    }
    NAME_run(image, logits);
    print_class(path, number++);
    if (!raw) break;
  }
  if (file) fclose(file);
  if (problem) fprintf(stderr, "classify: error: %s: %s\n", path, problem);
  return problem != 0;
}

int main(int argc, char **argv) {
  const int raw = argc > 1 && strcmp(argv[1], "--raw") == 0;
  int failed = 0, i;
  if (argc < 2 + raw) {
    fprintf(stderr, "usage: classify [--raw] FILE...\n");
    return 2;
  }
  for (i = 1 + raw; i < argc; ++i) failed |= classify(argv[i], raw);
  return failed;
}
)MAIN";

constexpr const char* kMakefile =
    R"MAKE(# make: the program `classify` for this machine. make size: flash, RAM and stack of the network alone;
# for a Cortex-M4, say, make size CROSS=arm-none-eabi- CFLAGS='-Os -mcpu=cortex-m4 -mthumb'.
CROSS ?=
ifeq ($(origin CC),default)
CC := $(if $(CROSS),$(CROSS)gcc,cc)
endif
CFLAGS ?= -O2
SIZE ?= $(CROSS)size

classify: main.o NAME.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ main.o NAME.o
main.o: main.c NAME.h
	$(CC) -std=c99 $(CFLAGS) -c main.c -o $@
NAME.o: NAME.c NAME.h
	$(CC) -std=c99 $(CFLAGS) -c NAME.c -o $@

# The sections text and rodata lie in flash, data and bss in RAM. Stack in bytes, function by
# function: NAME_run, run_layer and the largest of the others add up.
size: NAME.c NAME.h
	$(CC) -std=c99 -ffreestanding $(CFLAGS) -fstack-usage -c NAME.c -o NAME_size.o
	$(SIZE) NAME_size.o
	cat NAME_size.su

clean:
	rm -f classify main.o NAME.o NAME_size.o NAME_size.su

.PHONY: size clean
)MAKE";

std::string upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

/// `text` with the model's name for NAME and in capitals for BIG, in one pass: what is put in
/// stays.
std::string filled(const std::string& text, const std::string& name) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, 4, "NAME") == 0) {
      result += name;
      at += 4;
    } else if (text.compare(at, 3, "BIG") == 0) {
      result += upper(name);
      at += 3;
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace

GeneratedFile c_main(const IntModel& model, const CProgram& program) {
  const bool named = static_cast<std::int64_t>(program.class_names.size()) == model.classes;
  std::string names = "#include \"" + program.name +
                      ".h\"\n\nstatic const char *const class_names[" + upper(program.name) +
                      "_CLASSES] = {";
  for (const std::string& name : program.class_names) {
    if (named) names += "\n    " + c_string(name) + ",";
  }
  names += named ? "\n};\n" : "0};\n";
  const std::string text = kMain, mark = "NAMED_PART\n";
  const std::size_t place = text.find(mark);
  return {"main.c", GeneratedFile::Comment::c,
          filled(text.substr(0, place), program.name) + names +
              filled(text.substr(place + mark.size()), program.name)};
}

GeneratedFile c_makefile(const CProgram& program) {
  return {"Makefile", GeneratedFile::Comment::hash, filled(kMakefile, program.name)};
}

}  // namespace intandem
