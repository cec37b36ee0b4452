// Reverse-mode automatic differentiation on tensors: record while computing, walk back once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.hpp"

namespace intandem {

/// A trained tensor that outlives the tapes it is used on. grad accumulates until zero_grad().
struct Parameter {
  std::string name;
  TensorF value;
  TensorF grad;
  bool decay = true;  ///< weight decay applies (weights yes; biases, BN and scales no)

  Parameter() = default;
  Parameter(std::string n, TensorF v, bool with_decay)
      : name(std::move(n)),
        value(std::move(v)),
        grad(TensorF::zeros(value.shape())),
        decay(with_decay) {}
  void zero_grad() { grad.fill(0.0f); }
};

/// One recorded value. grad is empty until something contributes to it.
struct Node {
  TensorF value;
  TensorF grad;
  bool needs_grad = false;
  bool owns_grad = false;  ///< nobody else holds grad's buffer: it may be added to in place
  /// Adds to the grads of the inputs (through accumulate), given this node's grad. It must not read
  /// self.value, whose storage the operation that used it last may have taken (spent_storage).
  std::function<void(const Node& self)> backward;
  int profile_unit = 0;            ///< whose backward pass this is (core/profile.hpp)
  Parameter* parameter = nullptr;  ///< what this is the value of, if it is a parameter
};
using Var = std::shared_ptr<Node>;

/// Adds g to v's gradient, or takes it over when it is the first; a no-op unless v->needs_grad.
/// g must not be modified afterwards by the caller.
void accumulate(const Var& v, TensorF g);

/// For the backward pass of an operation that holds v and is done with v's value when it writes: a
/// tensor of v's shape, v's own storage if nobody but the tape and this operation can still look at
/// it, otherwise new. Saves memory, and a result written over its operand is read from memory once.
TensorF spent_storage(const Var& v);

/// v's gradient as storage to add to in place (zero if nothing has contributed yet), for kernels
/// that accumulate themselves. v->needs_grad must hold.
TensorF& gradient_storage(const Var& v);

/// Records operations in the order they run; backward() visits them in reverse. One tape per step.
class Tape {
 public:
  /// A value no gradient flows to.
  Var constant(TensorF value);
  /// A value whose gradient is wanted after backward() (tests, closed-form checks).
  Var input(TensorF value);
  /// A parameter: its gradient is added to p.grad. `p` must outlive the tape.
  Var parameter(Parameter& p);
  /// The result of an operation; needs_grad iff an input does, and then `backward` is kept.
  Var record(TensorF value, const std::vector<Var>& inputs,
             std::function<void(const Node& self)> backward);

  /// d loss / d everything; loss has one element and depends on an input or a parameter. May be
  /// called once. Frees interior gradients and saved values as it goes; the value of a node lives
  /// on for as long as the caller holds its Var. on_gradient(p) is called as soon as this tape adds
  /// nothing more to p.grad, for every parameter that an operation has read.
  void backward(const Var& loss, const std::function<void(Parameter&)>& on_gradient = {});

 private:
  /// A parameter, and how many results were recorded before the first that reads it.
  struct FirstUse {
    std::size_t node;
    Parameter* parameter;
  };
  std::vector<Var> nodes_;            // results with a closure, in recording order
  std::vector<FirstUse> first_uses_;  // in recording order
  bool finished_ = false;
};

}  // namespace intandem
