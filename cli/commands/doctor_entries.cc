// Whether what the store holds is whole: all of its places, and as many of its entries as are read
// in a moment.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "commands/check.h"

namespace larder::cli {
namespace {

constexpr std::size_t most_entries = 1000;
constexpr std::uint64_t most_bytes = 256u << 20;

struct Sample {
  std::vector<Fingerprint> fingerprints;
  std::uint64_t bytes = 0;
  std::uint64_t of_all = 0;

  bool is_full() const { return fingerprints.size() >= most_entries || bytes >= most_bytes; }
};

struct Damage {
  std::uint64_t count = 0;
  std::string first;

  void add(std::uint64_t entries, const std::string& what) {
    if (count == 0) first = what;
    count += entries;
  }
};

Result<Sample> take_sample(Store& store) {
  Sample sample;
  auto visited = store.visit([&sample](const EntryInfo& entry) {
    ++sample.of_all;
    if (entry.other_key || sample.is_full()) return Visit::go_on;
    sample.fingerprints.push_back(entry.fingerprint);
    sample.bytes += entry.payload_bytes;
    return Visit::go_on;
  });
  if (!visited) return std::unexpected(std::move(visited).error());
  return sample;
}

Result<void> look_at_places(Store& store, Damage& damage) {
  return store.visit_strays(
      [&damage](const Stray& stray) {
        if (stray.code != Errc::not_ours) {
          damage.add(std::max<std::uint64_t>(stray.entries, 1),
                     stray.location + ": " + stray.message);
        }
        return Visit::go_on;
      },
      Repair::no);
}

}  // namespace

Check check_entries(Store& store) {
  Damage damage;
  const auto looked = look_at_places(store, damage);
  if (!looked) return {Health::fail, "entries", looked.error().message};
  const auto sample = take_sample(store);
  if (!sample) return {Health::fail, "entries", sample.error().message};
  for (const Fingerprint& fingerprint : sample->fingerprints) {
    const auto details = store.inspect(fingerprint);
    if (!details) damage.add(1, details.error().message);
  }
  const std::string extent =
      fmt::format("{} of {} read", sample->fingerprints.size(), sample->of_all);
  if (damage.count == 0) return {Health::ok, "entries", extent + ", all whole"};
  return {Health::warn, "entries",
          fmt::format("{}, {} damaged or out of reach; run: larder verify --repair; the first: {}",
                      extent, damage.count, damage.first)};
}

}  // namespace larder::cli
