// Networks as data: a list of units with names. The float network with batch normalization that is
// trained as the teacher is this data brought to life.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/conv_shape.hpp"
#include "nn/network_hook.hpp"
#include "nn/ops.hpp"

namespace intandem {

enum class UnitKind { conv, linear, avg_pool };

/// One stage of the tandem: product → batch norm → (+ shortcut) → ReLU → max-pool → dropout.
/// Zero or empty means absent. avg_pool units average kernel×kernel windows, or with kernel 0 the
/// whole image, and have no weights.
struct UnitSpec {
  std::string name;
  UnitKind kind = UnitKind::conv;
  std::int64_t out = 0;     ///< K, output channels (conv, linear)
  std::int64_t kernel = 1;  ///< R = S (conv, avg_pool)
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  bool batch_norm = true;
  bool relu = true;
  std::int64_t pool_kernel = 0, pool_stride = 0;  ///< max-pool after the ReLU
  float dropout = 0.0f;                           ///< on the unit's output, training only
  std::string add = {};     ///< name of an earlier unit whose output is added before the ReLU
  std::string input = {};   ///< name of the earlier unit it reads; empty: the one before
  std::int64_t groups = 1;  ///< conv: groups of channels that do not meet (core/conv_shape.hpp)

  friend bool operator==(const UnitSpec&, const UnitSpec&) = default;
};

struct NetworkSpec {
  std::string name;
  std::int64_t height = 0, width = 0, channels = 0, classes = 0;
  std::vector<UnitSpec> units;

  friend bool operator==(const NetworkSpec&, const NetworkSpec&) = default;
};

/// What flows through unit k, worked out from the spec.
struct UnitGeometry {
  ConvShape shape;  ///< with N = 1; linear: C = flattened input
  Shape input;      ///< per image: {H, W, C} or {C}
  Shape product;    ///< before pooling
  Shape output;     ///< after pooling
  int from = -1;    ///< index of the unit it reads, −1: the image
  int add = -1;     ///< index of the shortcut's unit, −1: none
  bool has_sign =
      false;  ///< the output may be negative: no ReLU (avg_pool: of its operands either)
};

/// Geometry of every unit; Error (subject: network and unit) if something does not fit, or if the
/// output of a unit but the last is never read.
std::vector<UnitGeometry> infer_geometry(const NetworkSpec& spec);

/// One JSON object per network, kept in every container ("architecture").
std::string to_json(const NetworkSpec& spec);
/// Error on unknown keys, missing keys or an impossible geometry; `source` names the file.
NetworkSpec network_from_json(const std::string& text, const std::string& source);
/// The network described in a JSON file (docs/networks.md); errors name the file.
NetworkSpec network_from_file(const std::string& path);

/// A network by name ("fashion-alexnet", "alexnet-cifar", "alexnet", …): nn/networks/. width scales
/// every hidden channel count (rounded to a multiple of 8, at least 8).
NetworkSpec make_network(const std::string& name, double width, std::int64_t classes);
std::vector<std::string> network_names();

/// Weights and batch-norm state of one unit.
struct FloatUnit {
  Parameter weight;       ///< [K][R][S][C/groups] or [K][C]; empty for avg_pool
  Parameter bias;         ///< [K]; only without batch norm
  Parameter gamma, beta;  ///< [K]; only with batch norm
  BatchNormState bn;
};

/// The float network. Input of unit 0 is the normalized image (data/dataset.hpp), NHWC.
class FloatNetwork {
 public:
  /// He initialization (normal, fan-in) from rng; gamma 1, beta 0.
  FloatNetwork(NetworkSpec spec, const Rng& rng);

  const NetworkSpec& spec() const { return spec_; }
  const std::vector<UnitGeometry>& geometry() const { return geometry_; }
  int unit_count() const { return static_cast<int>(units_.size()); }
  FloatUnit& unit(int k) { return units_[static_cast<std::size_t>(k)]; }
  const FloatUnit& unit(int k) const { return units_[static_cast<std::size_t>(k)]; }
  /// Weights, biases, batch norm, and what the hook trains.
  std::vector<Parameter*> parameters();

  /// Puts a hook between the network and its arithmetic; null takes it away.
  void set_hook(std::unique_ptr<NetworkHook> hook) { hook_ = std::move(hook); }
  const NetworkHook* hook() const { return hook_.get(); }
  /// Forward passes in training mode are of one shard of a batch. synchronized: the statistics of
  /// batch norm are those of the whole batch, and every shard must come through the same units.
  void set_shards(Communicator& shards, bool synchronized);
  /// Weights as the product of unit k uses them: the unit's own unless a hook replaces them.
  TensorF product_weight(int k) const;

  /// How a forward pass treats batch norm, dropout and parameters.
  struct Mode {
    bool training = false;          ///< batch statistics and dropout
    bool train_parameters = false;  ///< gradients flow into the parameters
    Rng rng{0};                     ///< dropout masks
    std::int64_t first_image = 0;   ///< of the batch: the input is a shard of it
  };

  /// z of unit k: product, batch norm and shortcut, before ReLU and pooling ("post-BN activation").
  /// values[j] is the output of unit j; values of units that k does not use may be null.
  Var preactivation(Tape& tape, int k, const Var& input, const std::vector<Var>& values,
                    const Mode& mode);
  /// ReLU, max-pool and dropout of unit k.
  Var finish(Tape& tape, int k, const Var& z, const Mode& mode) const;
  /// Units first … last−1: fills values[first … last−1] and returns the last one. Outputs of
  /// units before `first` that these read are in `values`; `input` is what unit `first` reads if it
  /// is not there: the image, or the output of unit first−1.
  Var forward(Tape& tape, int first, int last, const Var& input, std::vector<Var>& values,
              const Mode& mode);
  /// The whole network in evaluation mode, no gradients. x [N][H][W][C] → logits [N][classes].
  TensorF predict(const TensorF& x);

 private:
  /// Whether batch norm, ReLU and pooling may share their passes over memory.
  bool is_fusible(int k) const;
  /// The product and its batch norm; fused: ReLU and max-pool too.
  Var normalized_product(Tape& tape, int k, const Var& input, const Mode& mode, bool fused);
  /// values[source], which unit k reads or adds.
  const Var& output_of(int source, int k, const std::vector<Var>& values) const;
  Var drop(Tape& tape, int k, const Var& y, const Mode& mode) const;

  NetworkSpec spec_;
  std::vector<UnitGeometry> geometry_;
  std::vector<FloatUnit> units_;
  std::unique_ptr<NetworkHook> hook_;  // null: plain floats
};

/// Weights and state into and out of a container under "unit/<name>/weight" and so on. Loading
/// refuses, naming file, tensor and element, negative variances and what check_magnitudes refuses.
class Container;
void store_network(const FloatNetwork& net, Container& file);
FloatNetwork load_network(const Container& file);
/// The architecture alone. Error if the file holds fewer elements than it has weights, so that
/// nothing is allocated for a network the file cannot fill.
NetworkSpec load_architecture(const Container& file);

/// The largest parameter with a square that float32 can hold: losses are made of squares.
constexpr float kMaxParameter = 9.2e18f;
/// Error naming file, tensor and element unless every |value| is at most kMaxParameter.
void check_magnitudes(const Container& file, const std::string& name, const TensorF& values);

}  // namespace intandem
