#include "tests/endurance/crash_rig.h"

#include <memory>
#include <optional>
#include <span>

#include "larder/testing/fault_file_system.h"
#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

using testing::CrashPoint;
using testing::MemoryFileSystem;

constexpr std::uint64_t budget_bytes = 16u << 20;  // makes segments of 1 MiB
constexpr std::uint64_t free_bytes = 12u << 20;    // so scarce that what leaves is cut at once
constexpr std::size_t spare_key = key_count;
constexpr std::size_t most_violations = 20;

Fingerprint fingerprint_of(std::size_t key) {
  Fingerprint fingerprint;
  // Two of them share a folder.
  fingerprint.bytes.fill(static_cast<std::uint8_t>(key));
  fingerprint.bytes[0] = key == spare_key ? 1 : 0;
  return fingerprint;
}

// Longer than a sector, and no multiple of one.
std::string payload_of(std::size_t key, Value value) {
  std::string payload(600, static_cast<char>('a' + key));
  payload.front() = payload.back() = value == Value::first ? '1' : '2';
  return payload;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Keys keys_of_process(KeyRing keys, std::size_t process) {
  if (keys == KeyRing::none) return {};
  return keys_of({static_cast<std::uint8_t>(1 + process)});
}

Result<std::shared_ptr<Store>> open(StoreKind kind, FileSystem& file_system, Keys keys,
                                    EvictionListener on_evict = {}) {
  return opener_of(kind, {.directory = "/store",
                          .keys = std::move(keys),
                          .budget = {.max_bytes = budget_bytes},
                          .flush_threads = 1,
                          .on_evict = std::move(on_evict),
                          .file_system = &file_system})();
}

Result<void> put(Store& store, std::size_t key, Value value) {
  return store.put(fingerprint_of(key), bytes_of(payload_of(key, value)));
}

Value value_of(std::size_t key, const Artifact& artifact) {
  for (const Value value : {Value::first, Value::second}) {
    if (artifact.text() == payload_of(key, value)) return value;
  }
  return Value::wrong;
}

// nullopt: the look-up failed.
std::optional<Value> get(Store& store, std::size_t key) {
  const auto found = store.get(fingerprint_of(key));
  if (!found && found.error().code == Errc::corrupt) return Value::absent;
  if (!found) return std::nullopt;
  return *found ? value_of(key, **found) : Value::absent;
}

// Which promise is broken; empty: none.
std::string check(Store& store, const Promises& promises) {
  for (std::size_t key = 0; key < key_count; ++key) {
    const auto value = get(store, key);
    const std::string name = "k" + std::to_string(key + 1);
    if (!value) return name + " cannot be looked up";
    const ValueSet allowed = promises.allowed(key);
    if (allowed.contains(*value)) continue;
    return name + " is " + describe(ValueSet(*value)) + ", not " + describe(allowed);
  }
  return {};
}

// Who has put both entries, when there is anything.
std::size_t writers_of_base(StoreKind kind, KeyRing keys) {
  return keys == KeyRing::one_each && kind == StoreKind::pack ? process_count : 1;
}

// Two processes on one disk.
class Processes {
 public:
  Processes(StoreKind kind, KeyRing keys, MemoryFileSystem& disk)
      : kind_(kind), keys_(keys), faults_(disk) {}

  testing::FaultFileSystem& faults() { return faults_; }
  const PromisesOfAll& promises() const { return promises_; }

  // With what the evictions of this step made possible while they were under way.
  void perform(const Step& step) {
    evicted_.fill(false);
    auto& store = stores_[step.process];
    if (step.act == Act::close) {
      store.reset();
      return promises_of(step.process).closed(step.process);
    }
    if (!store) {
      const auto on_evict = [this](const Eviction& eviction) {
        for (std::size_t key = 0; key < key_count; ++key) {
          if (eviction.fingerprint == fingerprint_of(key)) evicted_[key] = true;
        }
      };
      const Keys keys = keys_of_process(keys_, step.process);
      store = require("open", open(kind_, faults_, keys, on_evict));
    }
    if (store) perform(*store, step);
  }

  // Before the step ends.
  void begin(const Step& step) {
    switch (step.act) {
      case Act::put_1_first: return begin_put(step.process, 0, Value::first);
      case Act::put_1_second: return begin_put(step.process, 0, Value::second);
      case Act::put_2_first: return begin_put(step.process, 1, Value::first);
      case Act::remove_1: return promises_of(step.process).may_leave(0);
      default: return;
    }
  }

  bool was_evicted(std::size_t key) const { return evicted_[key]; }
  const std::string& failure() const { return failure_; }

  // What a base holds.
  void vouch() {
    for (std::size_t process = 0; process < writers_of_base(kind_, keys_); ++process) {
      for (std::size_t key = 0; key < key_count; ++key) {
        promises_of(process).may_put(key, Value::first);
        promises_of(process).put(process, key, Value::first);
      }
      promises_of(process).flushed(process);
    }
  }

 private:
  template <class T>
  T require(const char* what, Result<T> result) {
    if (result) return *std::move(result);
    failure_ = std::string(what) + ": " + result.error().message;
    return {};
  }
  void require(const char* what, const Result<void>& result) {
    if (!result) failure_ = std::string(what) + ": " + result.error().message;
  }

  Promises& promises_of(std::size_t process) {
    return promises_.of[keys_ == KeyRing::none ? 0 : process];
  }

  // In a file store there is one file for a name, whoever puts it.
  void begin_put(std::size_t process, std::size_t key, Value value) {
    promises_of(process).may_put(key, value);
    const bool is_in_the_way = keys_ == KeyRing::one_each && kind_ != StoreKind::pack;
    if (is_in_the_way) promises_of(1 - process).may_leave(key);
  }

  void put_and_promise(Store& store, std::size_t process, std::size_t key, Value value) {
    require("put", put(store, key, value));
    promises_of(process).put(process, key, value);
  }

  void perform(Store& store, const Step& step) {
    switch (step.act) {
      case Act::put_1_first: return put_and_promise(store, step.process, 0, Value::first);
      case Act::put_1_second: return put_and_promise(store, step.process, 0, Value::second);
      case Act::put_2_first: return put_and_promise(store, step.process, 1, Value::first);
      case Act::flush: {
        require("flush", store.flush());
        return promises_of(step.process).flushed(step.process);
      }
      case Act::evict: return evict(store);
      case Act::remove_1: {
        const bool removed = require("remove", store.remove(fingerprint_of(0)));
        return removed ? promises_of(step.process).removed(0) : void();
      }
      case Act::close: return;
    }
  }

  // Everything from a file store; from a pack all but one, which is carried elsewhere.
  void evict(Store& store) {
    auto* const pack = dynamic_cast<PackStore*>(&store);
    const std::uint64_t left = pack == nullptr ? 0 : 1;
    require("prune", store.prune({.max_entries = left}));
    if (pack != nullptr) require("maintain", pack->maintain());
    for (std::size_t key = 0; key < key_count; ++key) {
      if (!evicted_[key]) continue;
      for (Promises& promises : promises_.of) promises.may_leave(key);
    }
  }

  const StoreKind kind_;
  const KeyRing keys_;
  testing::FaultFileSystem faults_;
  std::array<std::shared_ptr<Store>, process_count> stores_;
  std::array<bool, key_count> evicted_{};
  PromisesOfAll promises_;
  std::string failure_;
};

}  // namespace

std::string_view base_name(Base base) noexcept {
  switch (base) {
    case Base::nothing: return "nothing there";
    case Base::closed: return "closed store";
    case Base::killed: break;
  }
  return "killed store";
}

CrashRig::CrashRig(StoreKind kind, KeyRing keys) : kind_(kind), keys_(keys) {
  for (const Base base : bases) bases_.push_back(make_base(base));
}

CrashPoint CrashRig::make_base(Base base) {
  MemoryFileSystem disk({.free_bytes = free_bytes});
  if (base == Base::nothing) return disk.crash_point();
  std::vector<std::shared_ptr<Store>> stores;
  for (std::size_t process = 0; process < writers_of_base(kind_, keys_); ++process) {
    stores.push_back(open(kind_, disk, keys_of_process(keys_, process)).value());
    for (std::size_t key = 0; key < key_count; ++key) {
      if (!put(*stores.back(), key, Value::first)) violations_.emplace_back("no base: a put");
    }
    if (!stores.back()->flush()) violations_.emplace_back("no base: a flush");
  }
  if (base == Base::closed) stores.clear();
  return disk.crash_point();
}

// Of the last step; those before it belong to shorter histories.
std::vector<CrashRig::Moment> CrashRig::moments_of(Base base, const History& history) {
  const auto disk = bases_[static_cast<std::size_t>(base)].open(1, 100);
  Processes processes(kind_, keys_, *disk);
  if (base != Base::nothing) processes.vouch();
  std::vector<Moment> moments;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const Step& step = history[i];
    processes.begin(step);
    const bool is_last = i + 1 == history.size();
    if (is_last) {
      processes.faults().observe([&](const testing::Operation& operation) {
        moments.push_back({.point = disk->crash_point(),
                           .operation = std::string(op_name(operation.op)) + " " + operation.path,
                           .promises = processes.promises()});
      });
    }
    processes.perform(step);
    processes.faults().observe(nullptr);
    if (!is_last) continue;
    for (std::size_t key = 0; key < key_count; ++key) {
      if (!processes.was_evicted(key)) continue;
      for (Moment& moment : moments) {
        for (Promises& promises : moment.promises.of) promises.may_leave(key);
      }
    }
    moments.push_back(
        {.point = disk->crash_point(), .operation = "the end", .promises = processes.promises()});
  }
  if (!processes.failure().empty()) {
    violations_.push_back(describe(history) + ": " + processes.failure());
  }
  return moments;
}

void CrashRig::run(Base base, const History& history, const testing::ExploreOptions& options) {
  // What is broken is told after the first few of its moments.
  if (violations_.size() >= most_violations) return;
  ++figures_.histories;
  for (const Moment& moment : moments_of(base, history)) {
    const std::uint64_t promised = moment.promises.hash() * 0x9e3779b97f4a7c15u;
    if (!seen_.insert(moment.point.hash() ^ promised).second) continue;
    explore(
        std::string(base_name(base)) + ": " + describe(history) + ", before " + moment.operation,
        moment, options);
  }
}

void CrashRig::explore(const std::string& where, const Moment& moment,
                       const testing::ExploreOptions& options) {
  ++figures_.moments;
  double subsets = 1;
  for (const testing::CrashChoice& choice : moment.point.pending()) subsets *= choice.outcomes;
  figures_.subsets += subsets;
  const auto explored = testing::explore_crashes(
      moment.point, options,
      [&](MemoryFileSystem& found, const testing::CrashDecisions& decisions) {
        const std::string violation = look(found, moment.promises);
        if (violation.empty()) return testing::Look::go_on;
        violations_.push_back(where + ": " + violation + "; on disk: " + describe(decisions));
        return testing::Look::stop;
      });
  figures_.states += explored.states;
  if (explored.states == options.most_states) ++figures_.capped;
}

// What the second process finds, with its key.
std::string CrashRig::check_others(MemoryFileSystem& found, const PromisesOfAll& promises) {
  if (keys_ == KeyRing::none) return {};
  const auto store = open(kind_, found, keys_of_process(keys_, 1));
  if (!store) return "cannot be opened with the other key: " + store.error().message;
  const std::string violation = check(**store, promises.of[1]);
  return violation.empty() ? violation : "with the other key " + violation;
}

// Empty when all is well. Half of the stores are closed before the second power cut; half of them
// are recovered by the second process, where each has a key.
std::string CrashRig::look(MemoryFileSystem& found, const PromisesOfAll& promises) {
  const bool is_closed = ++looks_ % 2 == 0;
  const bool others_first = looks_ % 4 < 2;
  std::unique_ptr<MemoryFileSystem> again;
  {
    std::string violation = others_first ? check_others(found, promises) : "";
    if (!violation.empty()) return violation;
    const auto store = open(kind_, found, keys_of_process(keys_, 0));
    if (!store) return "cannot be opened: " + store.error().message;
    violation = check(**store, promises.of[0]);
    if (violation.empty() && !others_first) violation = check_others(found, promises);
    if (!violation.empty()) return violation;
    if (const auto stored = put(**store, spare_key, Value::first); !stored) {
      return "a put fails: " + stored.error().message;
    }
    if (get(**store, spare_key) != Value::first) return "what was put is not got";
    if (const auto flushed = (*store)->flush(); !flushed) {
      return "a flush fails: " + flushed.error().message;
    }
    found.settle_rest();
    if (!is_closed) again = found.crash_clone(0, 0);
  }
  if (is_closed) again = found.crash_clone(0, 0);
  const std::string when =
      is_closed ? " after a close and a second power cut" : " after a second power cut";
  const auto store = open(kind_, *again, keys_of_process(keys_, 0));
  if (!store) return "cannot be opened" + when + ": " + store.error().message;
  std::string violation = check(**store, promises.of[0]);
  if (violation.empty()) violation = check_others(*again, promises);
  if (violation.empty() && get(**store, spare_key) != Value::first) {
    violation = "what was flushed is lost";
  }
  return violation.empty() ? violation : violation + when;
}

// What a power cut leaves: all of a kind, or what was synced of it.
struct CrashRig::Cut {
  bool sizes = false;
  bool sectors = false;
  bool tails = false;

  static Cut of(unsigned bits) {
    return {.sizes = (bits & 1u) != 0, .sectors = (bits & 2u) != 0, .tails = (bits & 4u) != 0};
  }

  testing::CrashChooser chooser() const {
    return [cut = *this](const testing::CrashChoice& choice) -> std::uint32_t {
      using Kind = testing::CrashChoice::Kind;
      switch (choice.kind) {
        case Kind::name: return choice.now;
        case Kind::size: return cut.sizes ? choice.now : 0;
        case Kind::sector: return cut.sectors ? choice.now : 0;
        case Kind::tail: return cut.tails ? choice.outcomes - 1 : 0;
      }
      return 0;
    };
  }

  std::string text() const {
    return std::string(sizes ? "sizes" : "no sizes") + (sectors ? ", sectors" : ", no sectors") +
           (tails ? ", tails" : ", no tails");
  }
};

void CrashRig::run_twice(Base base, const History& history) {
  if (violations_.size() >= most_violations) return;
  ++figures_.histories;
  for (const Moment& moment : moments_of(base, history)) {
    const std::uint64_t promised = moment.promises.hash() * 0x9e3779b97f4a7c15u;
    if (!seen_.insert(moment.point.hash() ^ promised).second) continue;
    ++figures_.moments;
    for (unsigned bits = 0; bits < 8; ++bits) {
      const std::string violation = look_twice(moment, Cut::of(bits));
      if (violation.empty()) continue;
      violations_.push_back(std::string(base_name(base)) + ": " + describe(history) + ", before " +
                            moment.operation + ": " + violation + "; the first cut left " +
                            Cut::of(bits).text());
      break;
    }
  }
}

std::string CrashRig::look_twice(const Moment& moment, const Cut& first) {
  ++figures_.states;
  const auto found = moment.point.open(first.chooser());
  const auto store = open(kind_, *found, keys_of_process(keys_, 0));
  if (!store) return "cannot be opened: " + store.error().message;
  std::string violation = check(**store, moment.promises.of[0]);
  if (!violation.empty()) return violation;
  Values seen = {};
  for (std::size_t key = 0; key < key_count; ++key) {
    seen[key] = get(**store, key).value_or(Value::wrong);
  }
  if (const auto stored = put(**store, spare_key, Value::first); !stored) {
    return "a put fails: " + stored.error().message;
  }
  const testing::CrashPoint second = found->crash_point();
  for (unsigned bits = 0; bits < 4 && violation.empty(); ++bits) {
    violation = look_again(second, Cut::of(bits), seen);
    if (!violation.empty()) violation += "; the second cut left " + Cut::of(bits).text();
  }
  return violation;
}

// What was there is there, and what was gone is gone.
std::string CrashRig::look_again(const testing::CrashPoint& second, const Cut& cut,
                                 const Values& seen) {
  ++figures_.states;
  const auto found = second.open(cut.chooser());
  const auto store = open(kind_, *found, keys_of_process(keys_, 0));
  if (!store) return "cannot be opened after two power cuts: " + store.error().message;
  for (std::size_t key = 0; key < key_count; ++key) {
    const Value value = get(**store, key).value_or(Value::wrong);
    if (value == seen[key]) continue;
    return "k" + std::to_string(key + 1) + " was " + describe(ValueSet(seen[key])) +
           " after the first power cut, and is " + describe(ValueSet(value)) + " after the second";
  }
  const Value spare = get(**store, spare_key).value_or(Value::wrong);
  return spare == Value::absent || spare == Value::first ? "" : "what was put is another value";
}

}  // namespace larder
