// Convolution shapes for benchmarks, from text files.
#pragma once

#include <string>
#include <vector>

#include "core/conv_shape.hpp"

namespace intandem::bench {

struct NamedShape {
  std::string network;  ///< file name without its extension
  std::string layer;
  ConvShape shape;
};

/// Reads one bench/shapes/*.txt: "name N H W C K R S stride pad" per line, # comments. Error
/// (subject: the file) if a line does not parse or the shape is impossible.
std::vector<NamedShape> read_shapes(const std::string& file);

/// Every file of bench/shapes; INTANDEM_SHAPES overrides the directory.
std::vector<NamedShape> read_all_shapes();

}  // namespace intandem::bench
