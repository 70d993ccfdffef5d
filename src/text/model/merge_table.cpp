#include "text/model/merge_table.h"

#include <algorithm>
#include <functional>
#include <queue>

namespace octet {
namespace {

constexpr size_t kFew = 64;

}  // namespace

void MergeTable::merge(std::vector<int32_t>& ids, size_t from) const {
  const size_t n = ids.size() - from;
  if (n < 2) return;
  if (n <= kFew) {
    merge_few(ids, from);
  } else {
    merge_many(ids, from);
  }
}

// Looks at all pairs for each merge: for a word this is faster than a heap.
void MergeTable::merge_few(std::vector<int32_t>& ids, size_t from) const {
  int32_t* id = ids.data() + from;
  size_t n = ids.size() - from;
  uint32_t ranks[kFew];  // of (id[i], id[i + 1])
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank(id[i], id[i + 1]);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNone) break;
    id[best] = result(ranks[best]);
    for (size_t i = best + 1; i + 1 < n; ++i) {
      id[i] = id[i + 1];
      ranks[i - 1] = ranks[i];
    }
    --n;
    // ranks[best] now belongs to a pair that is gone; both neighbours of the new token are looked up anew.
    if (best + 1 < n) ranks[best] = rank(id[best], id[best + 1]);
    if (best > 0) ranks[best - 1] = rank(id[best - 1], id[best]);
  }
  ids.resize(from + n);
}

// A linked list of tokens and a heap of (rank, position), whose entries are dropped when their pair has changed.
void MergeTable::merge_many(std::vector<int32_t>& ids, size_t from) const {
  struct Node {
    int32_t id;
    uint32_t previous, next, rank;  // rank of the pair (this, next)
  };
  const size_t n = ids.size() - from;
  std::vector<Node> nodes(n);
  std::vector<uint64_t> heap;
  const auto entry = [](uint32_t rank, size_t at) { return static_cast<uint64_t>(rank) << 32 | at; };
  for (size_t i = 0; i < n; ++i) {
    const uint32_t pair = i + 1 < n ? rank(ids[from + i], ids[from + i + 1]) : kNone;
    nodes[i] = {ids[from + i], static_cast<uint32_t>(i - 1), static_cast<uint32_t>(i + 1), pair};
    if (pair != kNone) heap.push_back(entry(pair, i));
  }
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue(std::greater<>(), std::move(heap));
  const auto look_up = [&](uint32_t at) {
    Node& node = nodes[at];
    node.rank = node.next < n ? rank(node.id, nodes[node.next].id) : kNone;
    if (node.rank != kNone) queue.push(entry(node.rank, at));
  };
  while (!queue.empty()) {
    const auto at = static_cast<uint32_t>(queue.top());
    const auto pair = static_cast<uint32_t>(queue.top() >> 32);
    queue.pop();
    Node& node = nodes[at];
    if (node.rank != pair) continue;
    Node& eaten = nodes[node.next];
    node.id = result(pair);
    node.next = eaten.next;
    eaten.rank = kNone;
    if (node.next < n) nodes[node.next].previous = at;
    look_up(at);
    if (at > 0) look_up(node.previous);
  }
  size_t kept = from;
  for (size_t i = 0; i < n; i = nodes[i].next) ids[kept++] = nodes[i].id;
  ids.resize(kept);
}

}  // namespace octet
