// The tree of BLAKE3, level by level: all chunks of all messages, then the parents of pairs of
// neighbours until each message has one node left. What has no neighbour moves up as it is. Nodes
// of different messages do not care who computes beside them.
#include "base/digest_many.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <functional>

namespace larder {
namespace {

constexpr bool has_lanes = std::endian::native == std::endian::little;
constexpr std::size_t max_chunks = 256;  // in one batch, so that their 32 bytes each stay in L1
constexpr std::size_t max_messages = 32;
constexpr std::size_t min_keyed_in_lanes = 4;  // fewer are faster one by one

// Collects jobs until the lanes are full.
class LaneQueue {
 public:
  explicit LaneQueue(LaneLevel level) noexcept : level_(level) {}

  void push(const LaneJob& job) noexcept {
    jobs_[size_++] = job;
    if (size_ == lanes()) flush();
  }

  // Up to 4 jobs of equal kind take as long as one, and a single one after them, by itself, half of
  // what it would take beside them.
  void flush_few() noexcept {
    if (size_ <= 4) flush();
  }

  std::size_t lanes() const noexcept { return lanes_of(level_); }

  void flush() noexcept {
    if (size_ != 0) hash_in_lanes(std::span(jobs_).first(size_), level_);
    size_ = 0;
  }

 private:
  std::array<LaneJob, 16> jobs_;
  std::size_t size_ = 0;
  LaneLevel level_;
};

struct Tree {
  std::span<const std::byte> message;
  Digest* digest = nullptr;
  Digest* nodes = nullptr;  // of the current level
  std::size_t width = 0;    // of the current level
  std::size_t in_rows = 0;  // whole chunks that fill all lanes by themselves
};

std::size_t chunks_of(std::size_t bytes) noexcept {
  return std::max<std::size_t>(1, (bytes + chunk_bytes - 1) / chunk_bytes);
}

LaneJob chunk_job(const Tree& tree, std::size_t index) noexcept {
  const auto rest = tree.message.subspan(index * chunk_bytes);
  const bool root = tree.width == 1;
  return {.key = &plain_key_words,
          .data = rest.first(std::min(rest.size(), chunk_bytes)),
          .counter = index,
          .first_flags = chunk_start_flag,
          .last_flags = static_cast<std::uint8_t>(chunk_end_flag | (root ? root_flag : 0)),
          .digest = root ? tree.digest->data() : tree.nodes[index].data()};
}

LaneJob parent_job(const Tree& tree, std::size_t index) noexcept {
  const bool root = tree.width == 2;
  return {.key = &plain_key_words,
          .data = std::as_bytes(std::span(tree.nodes + 2 * index, 2)),
          .flags = parent_flag,
          .last_flags = root ? root_flag : std::uint8_t{0},
          .digest = root ? tree.digest->data() : tree.nodes[index].data()};
}

class Batch {
 public:
  explicit Batch(LaneLevel level) noexcept : queue_(level) {}

  bool has_room(std::size_t bytes) const noexcept {
    return trees_ < max_messages && nodes_ + chunks_of(bytes) <= max_chunks;
  }

  void add(std::span<const std::byte> message, Digest& digest) noexcept {
    tree_[trees_++] = {.message = message,
                       .digest = &digest,
                       .nodes = node_.data() + nodes_,
                       .width = chunks_of(message.size()),
                       .in_rows = message.size() / chunk_bytes & ~(queue_.lanes() - 1)};
    nodes_ += chunks_of(message.size());
  }

  void hash() noexcept {
    hash_whole_chunks();
    hash_last_chunks();
    while (hash_parents()) {
    }
    trees_ = nodes_ = 0;
  }

 private:
  std::span<Tree> trees() noexcept { return std::span(tree_).first(trees_); }

  // Lanes are cheapest when their counters are equal or count: first as many chunks of one message
  // as there are lanes, then the rest, the same chunk of all messages before the next one.
  void hash_whole_chunks() noexcept {
    for (const Tree& tree : trees()) {
      for (std::size_t index = 0; index < tree.in_rows; ++index) {
        queue_.push(chunk_job(tree, index));
      }
    }
    bool more = true;
    for (std::size_t column = 0; more; ++column) {
      more = false;
      for (const Tree& tree : trees()) {
        const std::size_t index = tree.in_rows + column;
        if (index >= tree.message.size() / chunk_bytes) continue;
        queue_.push(chunk_job(tree, index));
        more = true;
      }
    }
  }

  void hash_last_chunks() noexcept {
    std::array<LaneJob, max_messages> jobs;
    std::size_t count = 0;
    for (const Tree& tree : trees()) {
      if (tree.message.empty() || tree.message.size() % chunk_bytes != 0) {
        jobs[count++] = chunk_job(tree, tree.width - 1);
      }
    }
    if (count == 1) queue_.flush_few();
    const auto last_chunks = std::span(jobs).first(count);
    std::ranges::sort(last_chunks, std::greater{}, &LaneJob::blocks);
    for (const LaneJob& job : last_chunks) queue_.push(job);
    queue_.flush();
  }

  // One level; whether there was one. A parent takes the place of a node that was read before.
  bool hash_parents() noexcept {
    bool more = false;
    for (Tree& tree : trees()) {
      for (std::size_t i = 0; i < tree.width / 2; ++i) queue_.push(parent_job(tree, i));
      more = more || tree.width > 1;
    }
    queue_.flush();
    for (Tree& tree : trees()) {
      if (tree.width % 2 != 0) tree.nodes[tree.width / 2] = tree.nodes[tree.width - 1];
      tree.width = (tree.width + 1) / 2;
    }
    return more;
  }

  LaneQueue queue_;
  std::size_t trees_ = 0;
  std::size_t nodes_ = 0;
  std::array<Tree, max_messages> tree_;
  std::array<Digest, max_chunks> node_;
};

}  // namespace

void blake3_many(std::span<const std::span<const std::byte>> messages, std::span<Digest> digests,
                 LaneLevel level) noexcept {
  assert(messages.size() == digests.size());
  Batch batch(level);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (!has_lanes || messages[i].size() > max_lane_message_bytes) {
      digests[i] = blake3(messages[i]);
      continue;
    }
    if (!batch.has_room(messages[i].size())) batch.hash();
    batch.add(messages[i], digests[i]);
  }
  batch.hash();
}

void blake3_keyed_short_many(std::span<const KeyedMessage> messages, std::span<Digest> digests,
                             LaneLevel level) noexcept {
  assert(messages.size() == digests.size());
  const std::size_t lanes = lanes_of(level);
  for (; messages.size() > lanes; messages = messages.subspan(lanes)) {
    blake3_keyed_short_many(messages.first(lanes), digests.first(lanes), level);
    digests = digests.subspan(lanes);
  }
  if (!has_lanes || messages.size() < min_keyed_in_lanes) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      digests[i] = blake3_keyed_short(*messages[i].key, messages[i].bytes);
    }
    return;
  }
  std::array<KeyWords, 16> keys;
  std::array<LaneJob, 16> jobs;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    keys[i] = key_words(*messages[i].key);
    jobs[i] = short_job(keys[i], keyed_flag, messages[i].bytes, digests[i].data());
  }
  const auto group = std::span(jobs).first(messages.size());
  std::ranges::sort(group, std::greater{}, &LaneJob::blocks);
  hash_in_lanes(group, level);
}

}  // namespace larder
