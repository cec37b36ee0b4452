// An integer model as a C program for small machines: one .c and one .h file of freestanding C99,
// without floating point, allocation or library calls, and beside them a Makefile and a main.c that
// classifies images (docs/embedded.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "quant/export/arena.hpp"
#include "quant/export/generated_files.hpp"
#include "quant/integer/model.hpp"

namespace intandem {

/// Bytes of constants that one layer puts into flash, at their bit-widths.
struct CLayerBytes {
  std::int64_t weights = 0, biases = 0, scales = 0, pad_codes = 0;
  std::int64_t total() const { return weights + biases + scales + pad_codes; }
};

/// What the program takes where pointers have four bytes. The code is measured on Cortex-M4 with
/// gcc 12 -Os (`make size` beside the exported files measures it for any other compiler);
/// tests/export/test_export_arm.cpp checks that these bounds hold.
struct CFootprint {
  std::vector<CLayerBytes> layers;
  std::int64_t table_bytes = 0;  ///< geometry of the layers
  std::int64_t code_bytes = 0;   ///< at most, of the functions
  ArenaPlan arena;
  std::int64_t image_bytes = 0;   ///< read-only, the caller's, in flash or RAM
  std::int64_t logits_bytes = 0;  ///< the caller's
  std::int64_t stack_bytes = 0;   ///< at most, of NAME_run and below

  std::int64_t constant_bytes() const;
  std::int64_t flash_bytes() const { return constant_bytes() + code_bytes; }
  /// Arena, image, logits and stack.
  std::int64_t ram_bytes() const { return arena.bytes + image_bytes + logits_bytes + stack_bytes; }
};

/// Throws Error (subject `source`) for a model whose tables or arena no C array can hold.
CFootprint measure_c(const IntModel& model, const std::string& source);

struct CProgram {
  std::string name;                      ///< what its identifiers start with (c_name)
  std::string comment;                   ///< where the model is from, one line
  std::vector<std::string> class_names;  ///< of main.c; empty: numbers
};

/// NAME.h, NAME.c, main.c and Makefile of a model that check_model lets through. The text depends
/// on nothing else.
std::vector<GeneratedFile> c_program(const IntModel& model, const CProgram& program,
                                     const CFootprint& footprint);

/// The last two (c_example.cpp).
GeneratedFile c_main(const IntModel& model, const CProgram& program);
GeneratedFile c_makefile(const CProgram& program);

}  // namespace intandem
