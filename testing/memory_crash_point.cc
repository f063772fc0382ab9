// What a power cut may leave, one state after another.
#include <algorithm>
#include <mutex>

#include "larder/testing/memory_file_system.h"
#include "memory_disk.h"

namespace larder::testing {
namespace {

using memory::Frozen;
using memory::FrozenDisk;
using memory::mix;

std::uint64_t number_of(const Frozen& frozen) noexcept { return frozen ? *frozen + 1 : 0; }

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = text.size() + 1;
  for (const char each : text) hash = mix(hash, static_cast<unsigned char>(each));
  return hash;
}

// How many changes are older: all that matters of a sequence.
std::uint64_t rank_of(const FrozenDisk& disk, std::uint64_t sequence) {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      disk.changes, [sequence](const auto& change) { return change.sequence < sequence; }));
}

std::uint64_t hash_of(const FrozenDisk& disk, const memory::FrozenNode& node) {
  std::uint64_t hash = mix(static_cast<std::uint64_t>(node.info.kind), node.info.permissions);
  hash = mix(hash, static_cast<std::uint64_t>(node.info.modified_s));
  if (node.file) return mix(hash, node.file->hash());
  for (const auto& [name, synced] : node.names) {
    hash = mix(mix(hash, hash_of(name)), number_of(synced.target));
    hash = mix(hash, rank_of(disk, synced.sequence));
  }
  return hash;
}

// Walks through a tree of answers, from the first outcome of each question to the last.
class Walk {
 public:
  explicit Walk(Between between) noexcept : between_(between) {}

  // What is asked again gets the same answer as before, as far as that was kept.
  std::uint32_t ask(const CrashChoice& choice) {
    if (asked_ == decisions_.size()) decisions_.push_back({.choice = choice, .outcome = 0});
    return decisions_[asked_++].outcome;
  }

  // False when that was the last one.
  bool next() {
    asked_ = 0;
    while (!decisions_.empty() && !advance(decisions_.back())) decisions_.pop_back();
    return !decisions_.empty();
  }

  const CrashDecisions& decisions() const noexcept { return decisions_; }

 private:
  bool advance(CrashDecision& decision) const noexcept {
    const std::uint32_t next =
        between_ == Between::tried ? decision.outcome + 1 : decision.choice.now;
    if (next <= decision.outcome || next >= decision.choice.outcomes) return false;
    decision.outcome = next;
    return true;
  }

  const Between between_;
  CrashDecisions decisions_;
  std::size_t asked_ = 0;
};

std::string_view kind_name(CrashChoice::Kind kind) noexcept {
  switch (kind) {
    case CrashChoice::Kind::name: return "name ";
    case CrashChoice::Kind::size: return "size ";
    case CrashChoice::Kind::tail: return "tail ";
    case CrashChoice::Kind::sector: break;
  }
  return "sector ";
}

}  // namespace

std::uint64_t CrashPoint::hash() const {
  std::uint64_t hash = mix(1, disk_->nodes.size());
  for (const auto& node : disk_->nodes) hash = mix(hash, hash_of(*disk_, node));
  for (const auto& change : disk_->changes) {
    hash = mix(hash, change.needs == 0 ? 0 : 1 + rank_of(*disk_, change.needs));
    for (const auto& effect : change.effects) {
      hash = mix(mix(hash, number_of(effect.directory)), hash_of(effect.name));
      hash = mix(hash, number_of(effect.target));
    }
  }
  return hash;
}

std::unique_ptr<MemoryFileSystem> CrashPoint::open(CrashChooser choose) const {
  return std::unique_ptr<MemoryFileSystem>(
      new MemoryFileSystem(std::make_shared<memory::Disk>(disk_, std::move(choose))));
}

std::unique_ptr<MemoryFileSystem> CrashPoint::open(std::uint64_t seed,
                                                   unsigned unsynced_percent) const {
  memory::Random random(seed);
  auto opened = open([random, unsynced_percent](const CrashChoice& choice) mutable {
    if (random() % 100 >= unsynced_percent) return std::uint32_t{0};
    // Now and then what a write between has left.
    const bool is_between = unsynced_percent < 100 && random() % 4 == 0;
    return is_between ? static_cast<std::uint32_t>(random() % choice.outcomes) : choice.now;
  });
  const std::scoped_lock lock(opened->disk_->mutex());
  opened->disk_->decide_all();
  return opened;
}

std::vector<CrashChoice> CrashPoint::pending() const {
  std::vector<CrashChoice> choices;
  const auto opened = open([&choices](const CrashChoice& choice) {
    choices.push_back(choice);
    return choice.now;
  });
  const std::scoped_lock lock(opened->disk_->mutex());
  opened->disk_->decide_all();
  return choices;
}

std::string describe(const CrashDecisions& decisions) {
  std::string text;
  for (const auto& [choice, outcome] : decisions) {
    if (!text.empty()) text += ", ";
    text.append(kind_name(choice.kind)).append(choice.name);
    if (choice.kind == CrashChoice::Kind::sector) text += "+" + std::to_string(choice.offset);
    text += " " + std::to_string(outcome) + "/" + std::to_string(choice.outcomes - 1);
  }
  return text;
}

Exploration explore_crashes(
    const CrashPoint& point, const ExploreOptions& options,
    const std::function<Look(MemoryFileSystem&, const CrashDecisions&)>& look) {
  Exploration explored;
  Walk walk(options.between);
  do {
    if (explored.states == options.most_states) {
      explored.is_complete = false;
      break;
    }
    ++explored.states;
    const auto found = point.open([&walk](const CrashChoice& choice) { return walk.ask(choice); });
    if (look(*found, walk.decisions()) == Look::stop) {
      explored.is_complete = false;
      break;
    }
  } while (walk.next());
  return explored;
}

}  // namespace larder::testing
