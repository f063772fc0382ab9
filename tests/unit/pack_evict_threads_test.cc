// Threads beside an eviction that never ends: whoever reads gets his entry, whole, or none.
#include <array>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

constexpr std::uint64_t step = mib / 16;  // of preallocation
constexpr std::uint32_t entries = 3'000;

class PackEvictThreads : public PackStoreFixture {
 protected:
  PackEvictThreads() { options_.budget = {.max_bytes = 4 * mib}; }

  static void expect_payload(std::span<const std::byte> bytes, std::uint32_t number) {
    EXPECT_TRUE(std::ranges::equal(bytes, bytes_of(payload_of(4096, number)))) << number;
  }

  // Fills the store several times over while `read` is called with one number after the other.
  static void read_through_evictions(PackStore& store,
                                     const std::function<void(std::uint32_t)>& read) {
    std::atomic<bool> stop = false;
    std::atomic<std::uint32_t> newest = 0;
    std::thread reader([&] {
      for (std::uint32_t i = 0; !stop && !HasFailure(); ++i) {
        // Close behind the puts, where entries are about to leave, and what left long ago.
        const std::uint32_t behind = i * 7 % 1'500;
        read(newest - std::min(newest.load(), behind));
      }
    });
    for (std::uint32_t i = 0; i < entries; ++i) {
      fill(store, i, i + 1);
      newest = i;
    }
    stop = true;
    reader.join();
    const Metrics metrics = store.metrics();
    EXPECT_GT(metrics.evictions, entries / 3);
    EXPECT_GT(metrics.hits, 0u);
    EXPECT_EQ(metrics.corrupt + metrics.io_errors + metrics.skipped, 0u);
  }
};

TEST_F(PackEvictThreads, KeepTheBudgetTogether) {
  const auto store = open();
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back(
        [&store, thread] { fill(*store, thread * 10'000, thread * 10'000 + 1'000); });
  }
  for (std::thread& thread : threads) thread.join();
  // A segment, and a step for each of five writers: four of puts, one of what is carried.
  EXPECT_LE(disk_bytes(), 4 * mib + 1 * mib + 5 * step);
  EXPECT_GT(store->metrics().evictions, 2'000u);
}

TEST_F(PackEvictThreads, GetReturnsTheEntryOrNone) {
  const auto store = open();
  read_through_evictions(*store, [&](std::uint32_t i) {
    const auto found = store->get(numbered(i));
    ASSERT_TRUE(found) << found.error().message;
    if (*found) expect_payload((*found)->bytes(), i);
  });
}

TEST_F(PackEvictThreads, GetIntoReturnsTheEntryOrNone) {
  const auto store = open();
  std::array<std::byte, 4096> buffer;
  read_through_evictions(*store, [&](std::uint32_t i) {
    const auto size = store->get_into(numbered(i), buffer);
    ASSERT_TRUE(size) << size.error().message;
    if (*size) expect_payload(std::span(buffer).first(**size), i);
  });
}

TEST_F(PackEvictThreads, GetManyReturnsTheEntriesOrNone) {
  const auto store = open();
  std::array<Fingerprint, 16> keys;
  read_through_evictions(*store, [&](std::uint32_t first) {
    for (std::uint32_t i = 0; i < keys.size(); ++i) keys[i] = numbered(first + i);
    const auto found = store->get_many(keys).value();
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
      ASSERT_TRUE(found[i]) << found[i].error().message;
      if (*found[i]) expect_payload((*found[i])->bytes(), first + i);
    }
  });
}

// And keeps it, whatever becomes of the segment.
TEST_F(PackEvictThreads, AViewShowsTheEntryAsLongAsItLives) {
  const auto store = open();
  std::array<std::optional<MappedView>, 64> views;
  std::array<std::uint32_t, 64> numbers = {};
  std::size_t turn = 0;
  read_through_evictions(*store, [&](std::uint32_t i) {
    auto view = store->view(numbered(i));
    ASSERT_TRUE(view) << view.error().message;
    if (!*view) return;
    const std::size_t at = turn++ % views.size();
    if (views[at]) expect_payload(views[at]->bytes(), numbers[at]);
    views[at] = *std::move(view);
    numbers[at] = i;
    expect_payload(views[at]->bytes(), i);
  });
}

}  // namespace
}  // namespace larder
