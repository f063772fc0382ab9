#include "base/lanes.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <functional>

#include "base/blake3_internal.h"
#include "base/lane_kernel.h"

namespace larder {
namespace {

const unsigned char* bytes_of(std::span<const std::byte> data) noexcept {
  return reinterpret_cast<const unsigned char*>(data.data());
}

void compress_lanes(LaneState& state, std::size_t active, std::uint32_t blocks,
                    LaneLevel level) noexcept {
#ifdef LARDER_X86_LANES
  if (level == LaneLevel::avx512) {
    return active > 8 ? compress_16_lanes_avx512(state, blocks)
                      : compress_8_lanes_avx512(state, blocks);
  }
  if (level == LaneLevel::avx2) return compress_8_lanes_avx2(state, blocks);
#endif
  static_cast<void>(active);
  static_cast<void>(level);
  compress_4_lanes(state, blocks);
}

// The jobs of one call. They start together; the shortest stands last and leaves first.
class LaneGroup {
 public:
  explicit LaneGroup(std::span<const LaneJob> jobs) noexcept : jobs_(jobs) {
    for (std::size_t i = 0; i < jobs.size(); ++i) begin(i);
  }

  void run(LaneLevel level) noexcept {
    while (!jobs_.empty()) {
#ifdef LARDER_BLAKE3_INTERNAL
      if (jobs_.size() == 1 && level == best_lane_level()) {
        return hash_alone(jobs_.front(), chaining(0), done_);
      }
#endif
      const std::uint32_t blocks = jobs_.back().blocks() - done_;
      for (std::size_t i = 0; i < jobs_.size(); ++i) aim(i, blocks);
      for (std::size_t i = jobs_.size(); i < lanes_of(level); ++i) idle(i);
      compress_lanes(state_, jobs_.size(), blocks, level);
      done_ += blocks;
      std::ranges::fill(state_.first_flags, 0u);
      for (; !jobs_.empty() && jobs_.back().blocks() == done_; jobs_ = jobs_.first(last())) end();
    }
  }

 private:
  std::size_t last() const noexcept { return jobs_.size() - 1; }

  void begin(std::size_t lane) noexcept {
    const LaneJob& job = jobs_[lane];
    for (std::size_t w = 0; w < 8; ++w) state_.chaining[w][lane] = (*job.key)[w];
    state_.counter_low[lane] = static_cast<std::uint32_t>(job.counter);
    state_.counter_high[lane] = static_cast<std::uint32_t>(job.counter >> 32);
    state_.flags[lane] = job.flags;
    state_.first_flags[lane] = job.first_flags;
  }

  // What the lane reads in the next `blocks` blocks.
  void aim(std::size_t lane, std::uint32_t blocks) noexcept {
    const LaneJob& job = jobs_[lane];
    const bool ends = job.blocks() == done_ + blocks;
    const std::size_t last_at = std::size_t{done_ + blocks - 1} * block_bytes;
    const std::size_t last_bytes = ends ? job.data.size() - last_at : block_bytes;
    state_.data[lane] = bytes_of(job.data) + std::size_t{done_} * block_bytes;
    state_.last[lane] = last_bytes == block_bytes ? bytes_of(job.data) + last_at
                                                  : pad(lane, job.data.subspan(last_at));
    state_.last_bytes[lane] = static_cast<std::uint32_t>(last_bytes);
    state_.last_flags[lane] = ends ? job.last_flags : 0u;
  }

  // A lane without a job reads what the first one reads.
  void idle(std::size_t lane) noexcept {
    state_.data[lane] = state_.data[0];
    state_.last[lane] = state_.last[0];
  }

  const unsigned char* pad(std::size_t lane, std::span<const std::byte> rest) noexcept {
    unsigned char* to = padded_[lane];
    if (!rest.empty()) std::memcpy(to, rest.data(), rest.size());
    std::memset(to + rest.size(), 0, block_bytes - rest.size());
    return to;
  }

  KeyWords chaining(std::size_t lane) const noexcept {
    KeyWords words;
    for (std::size_t w = 0; w < words.size(); ++w) words[w] = state_.chaining[w][lane];
    return words;
  }

  void end() noexcept { store_words(chaining(last()), jobs_.back().digest); }

  std::span<const LaneJob> jobs_;  // those that have not ended
  std::uint32_t done_ = 0;         // blocks
  LaneState state_ = {};
  alignas(64) unsigned char padded_[max_lanes][block_bytes];
};

#ifdef LARDER_BLAKE3_INTERNAL
// Whether the jobs differ in nothing but their data, or besides in counters that count.
bool are_uniform(std::span<const LaneJob> jobs) noexcept {
  const LaneJob& first = jobs.front();
  if (first.data.empty() || first.data.size() % block_bytes != 0) return false;
  const std::uint64_t step = jobs.size() > 1 ? jobs[1].counter - first.counter : 0;
  if (step > 1) return false;
  for (std::size_t i = 1; i < jobs.size(); ++i) {
    const LaneJob& job = jobs[i];
    if (job.key != first.key || job.data.size() != first.data.size() ||
        job.counter != first.counter + i * step || job.flags != first.flags ||
        job.first_flags != first.first_flags || job.last_flags != first.last_flags) {
      return false;
    }
  }
  return true;
}

// BLAKE3's own assembly is a fifth faster than our kernel, but knows only one counter and one key.
// It would split 15 jobs into 8, 4, 2 and 1, at twice the time of 16.
void hash_uniform(std::span<const LaneJob> jobs) noexcept {
  const std::size_t filled = std::bit_ceil(jobs.size());
  const std::uint8_t* data[max_lanes];
  std::uint8_t digests[max_lanes][32];
  for (std::size_t i = 0; i < filled; ++i) data[i] = bytes_of(jobs[i < jobs.size() ? i : 0].data);
  const LaneJob& first = jobs.front();
  blake3_hash_many(data, filled, first.blocks(), first.key->data(), first.counter,
                   jobs.back().counter != first.counter, first.flags, first.first_flags,
                   first.last_flags, digests[0]);
  for (std::size_t i = 0; i < jobs.size(); ++i) std::memcpy(jobs[i].digest, digests[i], 32);
}
#endif

}  // namespace

#ifdef LARDER_BLAKE3_INTERNAL
void hash_alone(const LaneJob& job, KeyWords chaining, std::uint32_t done) noexcept {
  std::uint8_t flags = job.flags | (done == 0 ? job.first_flags : 0);
  const unsigned char* block = bytes_of(job.data) + std::size_t{done} * block_bytes;
  std::size_t left = job.data.size() - std::size_t{done} * block_bytes;
  for (; left > block_bytes; left -= block_bytes, block += block_bytes) {
    blake3_compress_in_place(chaining.data(), block, block_bytes, job.counter, flags);
    flags = job.flags;
  }
  unsigned char padded[block_bytes] = {};
  if (left != block_bytes) {
    if (left != 0) std::memcpy(padded, block, left);
    block = padded;
  }
  blake3_compress_in_place(chaining.data(), block, static_cast<std::uint8_t>(left), job.counter,
                           flags | job.last_flags);
  store_words(chaining, job.digest);
}
#endif

LaneLevel best_lane_level() noexcept {
#ifdef LARDER_X86_LANES
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
    return LaneLevel::avx512;
  }
  if (__builtin_cpu_supports("avx2")) return LaneLevel::avx2;
#endif
  return LaneLevel::any;
}

std::size_t lanes_of(LaneLevel level) noexcept {
  if (level == LaneLevel::avx512) return 16;
  return level == LaneLevel::avx2 ? 8 : 4;
}

void hash_in_lanes(std::span<const LaneJob> jobs, LaneLevel level) noexcept {
  assert(jobs.size() <= lanes_of(level));
  assert(std::ranges::is_sorted(jobs, std::greater{}, &LaneJob::blocks));
#ifdef LARDER_BLAKE3_INTERNAL
  // It chooses its instructions itself: no way to test a lower level.
  if (level == best_lane_level() && are_uniform(jobs)) return hash_uniform(jobs);
#endif
  LaneGroup(jobs).run(level);
}

}  // namespace larder
