// The one order in which values of shards are added.
#pragma once

#include <cstddef>
#include <vector>

namespace intandem {

/// Shards lo … hi − 1.
struct ShardRange {
  int lo = 0, hi = 0;
  friend bool operator==(const ShardRange&, const ShardRange&) = default;
};

/// Where a node of the tree parts in two.
inline int tree_middle(int lo, int hi) { return lo + (hi - lo + 1) / 2; }

/// The largest nodes of the tree over `shards` that lie within `part`, from left to right.
inline void append_nodes(ShardRange tree, ShardRange part, std::vector<ShardRange>& nodes) {
  if (tree.hi <= part.lo || part.hi <= tree.lo) return;
  if (part.lo <= tree.lo && tree.hi <= part.hi) return nodes.push_back(tree);
  const int middle = tree_middle(tree.lo, tree.hi);
  append_nodes({tree.lo, middle}, part, nodes);
  append_nodes({middle, tree.hi}, part, nodes);
}

/// Adds up the node `tree`: leaf(range) is the array of n values of that node, or null if it must
/// be made of its halves. Sums are left in the array of the leftmost leaf, which is returned.
template <class T, class Leaf>
T* tree_sum(ShardRange tree, std::size_t n, const Leaf& leaf) {
  if (n == 0) return nullptr;
  if (T* const values = leaf(tree)) return values;
  const int middle = tree_middle(tree.lo, tree.hi);
  T* const left = tree_sum<T>({tree.lo, middle}, n, leaf);
  const T* const right = tree_sum<T>({middle, tree.hi}, n, leaf);
  for (std::size_t i = 0; i < n; ++i) left[i] += right[i];
  return left;
}

}  // namespace intandem
