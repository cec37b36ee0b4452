// AlexNet for 224×224 images as an integer model with random weights, lowered the usual way.
#pragma once

#include <cstdint>

#include "quant/integer/model.hpp"

namespace intandem::bench {

/// nn/networks/alexnet.cpp at width 1 with 1000 classes: He-normal latents through quant/lower.cpp,
/// W = A = bits (first and last layer: 8-bit weights). Each output step is three times the root
/// mean square of the layer's accumulators on random images over the largest code, so that codes
/// use their range as in a trained network. Zero point 0, so that padding is 0 as peers have it.
IntModel random_alexnet(std::int32_t bits);

}  // namespace intandem::bench
