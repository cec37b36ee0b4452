// The functions every exported C program holds: plain loops over the tables of its layers.
#pragma once

#include <set>
#include <string>

namespace intandem {

/// Type `layer` and the static functions up to `run_layer`, with the dot products of the given
/// weight bits (empty: a network of average pools). C99 that needs no library, no type but integers
/// and nothing of an implementation but <stdint.h> and <stddef.h>; equation numbers are those of
/// docs/quantization.md.
std::string c_runtime(const std::set<int>& weight_bits);

/// Bytes of a `layer` where pointers have four.
inline constexpr int kLayerBytes = 29 * 4;

}  // namespace intandem
