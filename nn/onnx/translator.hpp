// Internals of import_onnx: units under construction and the operators that add to them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nn/onnx/node_reader.hpp"
#include "nn/onnx/onnx_import.hpp"

namespace intandem {

/// A unit under construction, its parameters in the network's layout (FloatUnit).
struct DraftUnit {
  UnitSpec spec;
  int from = -1;  ///< index of the draft it reads, −1: the image
  int add = -1;   ///< index of the draft whose output is added, −1: none
  std::vector<float> weight, bias, gamma, beta, mean, variance;
  float epsilon = 1e-5f;
};

/// What a name of the graph stands for: a constant, or the output of a unit or the image.
struct Flow {
  std::shared_ptr<const OnnxTensor> constant;  ///< null: an activation

  int unit = -1;  ///< draft, −1: the image
  std::int64_t C = 0, H = 1, W = 1;
  bool flat = false;                 ///< [N][C·H·W] in the graph
  bool sole = false;                 ///< nobody else reads it, so its unit may still change
  std::vector<double> gain, offset;  ///< of the image (ImportedNetwork)

  std::int64_t size() const { return C * H * W; }
  std::string str() const;  ///< "[N, 16, 8, 8]"
};

/// Walks the nodes in order. Every translate_… gives the flow of the node's first output.
class Translator {
 public:
  Translator(const OnnxGraph& graph, std::string name);
  ImportedNetwork run();

 private:
  // onnx_import.cpp
  void find_uses();
  void begin_with_image();
  void walk();
  Flow translate(const NodeReader& node);
  const Flow& input(const NodeReader& node, std::size_t at) const;
  const Flow& activation(const NodeReader& node, std::size_t at) const;
  const OnnxTensor& constant(const NodeReader& node, std::size_t at) const;
  bool is_constant(const NodeReader& node, std::size_t at) const;

  // translate_layers.cpp
  Flow translate_conv(const NodeReader& node);
  Flow translate_linear(const NodeReader& node);
  Flow translate_max_pool(const NodeReader& node);
  Flow translate_average_pool(const NodeReader& node);
  Flow translate_whole_average(const NodeReader& node);
  Flow translate_mean(const NodeReader& node);
  Flow translate_pad(const NodeReader& node);
  Flow padded(const NodeReader& node, const Flow& x, std::int64_t pad);
  Flow average(const Flow& x, std::int64_t kernel, std::int64_t stride, std::int64_t P,
               std::int64_t Q);

  // translate_elementwise.cpp
  Flow translate_batch_norm(const NodeReader& node);
  Flow translate_arithmetic(const NodeReader& node);
  Flow translate_relu(const NodeReader& node);
  Flow translate_clip(const NodeReader& node);
  Flow sum(const NodeReader& node, const Flow& a, const Flow& b);
  Flow relu(const NodeReader& node, const Flow& x);
  /// y_c = gain_c·x_c + offset_c.
  Flow affine(const NodeReader& node, Flow x, const std::vector<double>& gain,
              const std::vector<double>& offset);
  std::vector<double> per_channel(const NodeReader& node, const OnnxTensor& values,
                                  const Flow& x) const;
  /// x through a new unit of one 1×1 filter of weight 1 per channel, with `pad` zeros around it.
  Flow through_new_unit(const NodeReader& node, const Flow& x, std::int64_t pad = 0);

  // evaluate_constants.cpp
  bool evaluates(const NodeReader& node) const;
  std::shared_ptr<const OnnxTensor> evaluate(const NodeReader& node);
  OnnxTensor evaluate_here(const NodeReader& node) const;
  OnnxTensor evaluate_gather(const NodeReader& node) const;
  OnnxTensor evaluate_concat(const NodeReader& node) const;
  OnnxTensor evaluate_transpose(const NodeReader& node) const;
  OnnxTensor evaluate_slice(const NodeReader& node) const;
  OnnxTensor evaluate_filled(const NodeReader& node) const;
  OnnxTensor evaluate_arithmetic(const NodeReader& node) const;

  // translate_shapes.cpp
  Flow translate_same(const NodeReader& node);
  Flow translate_cast(const NodeReader& node);
  Flow translate_flatten(const NodeReader& node);
  Flow translate_reshape(const NodeReader& node);
  Flow translate_squeeze(const NodeReader& node);

  // finish_network.cpp
  ImportedNetwork finish(const Flow& last);
  std::vector<int> order_of_units() const;

  DraftUnit& unit(const Flow& flow) { return units_[static_cast<std::size_t>(flow.unit)]; }
  /// Whether the flow's unit may still get batch norm, bias, scale or a sum.
  bool is_open(const Flow& flow) const;
  bool is_linear(const Flow& flow) const;
  Flow add_unit(DraftUnit unit, const Flow& from, std::int64_t C, std::int64_t H, std::int64_t W);
  std::string unit_name(const NodeReader& node, const std::string& weight_name);

  const OnnxGraph& graph_;
  std::string name_;
  std::map<std::string, int> uses_;
  std::vector<bool> live_;      // by node
  std::int64_t evaluated_ = 0;  // elements of constants worked out here
  std::map<std::string, Flow> flows_;
  std::vector<DraftUnit> units_;
  std::map<std::string, int> names_;
  std::int64_t batch_ = 1;              // the graph's own, for shapes worked out in it
  std::int64_t H_ = 0, W_ = 0, C_ = 0;  // of the image
  bool takes_bytes_ = false, image_read_ = false;
  std::vector<double> gain_, offset_;  // of the image as the first unit reads it
};

}  // namespace intandem
