#include "tests/endurance/writer.h"

#include <map>
#include <random>
#include <span>

#include "larder/testing/fault_file_system.h"
#include "tests/endurance/ledger.h"

namespace larder {
namespace {

constexpr std::uint32_t own_keys = 24, shared_keys = 6, common_keys = 12;
constexpr std::uint32_t first_shared = 1000, first_common = 2000, own_step = 100;
constexpr std::uint32_t canary = 9999;  // nobody promises anything of it
constexpr std::uint64_t common_version = 0;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class Writer {
 public:
  Writer(Stage& stage, const WriterOptions& options, Store& store)
      : stage_(stage),
        history_(stage.histories[options.number]),
        options_(options),
        store_(store),
        random_(options.seed) {}

  void run() {
    const std::uint64_t per_flush = std::uint64_t{1} << random_() % 7;
    while (!stage_.is_over && !history_.is_full() && !is_wrong_) {
      if (random_() % per_flush == 0) {
        flush();
      } else {
        do_something();
      }
      history_.end_evicting();
    }
  }

 private:
  bool is_own(std::uint32_t key) const { return key / own_step == options_.number + 1; }
  std::uint32_t own_key() { return own_step * (options_.number + 1) + below(own_keys); }
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }

  void do_something() {
    const std::uint32_t dice = below(100);
    if (dice < 42) put_new(own_key());
    if (dice >= 42 && dice < 54) put(first_common + below(common_keys), common_version);
    if (dice >= 54 && dice < 64) put_new(first_shared + below(shared_keys));
    if (dice >= 64 && dice < 70) put_again(own_key());
    if (dice >= 70 && dice < 74) remove(own_key());
    if (dice == 74) remove(first_shared + below(shared_keys));
    if (dice >= 75) read(any_key());
  }

  std::uint32_t any_key() {
    const std::uint32_t dice = below(4);
    if (dice == 0) return first_common + below(common_keys);
    if (dice == 1) return first_shared + below(shared_keys);
    if (dice == 2) return own_key();
    return own_step * (1 + below(writers)) + below(own_keys);
  }

  // What fails after the power has gone is nobody's fault.
  bool is_done(bool has_worked, std::string_view what, const Error* error) {
    if (has_worked || stage_.is_over) return has_worked;
    is_wrong_ = true;
    history_.complain(std::string(what) + " failed: " + error->message);
    return false;
  }

  void put_new(std::uint32_t key) { put(key, stage_.now()); }

  void put_again(std::uint32_t key) {
    const auto last = own_.find(key);
    if (last != own_.end() && last->second) put(key, *last->second);
  }

  void put(std::uint32_t key, std::uint64_t version) {
    const std::string payload = payload_for(key, version);
    Event& event = history_.append(Deed::put, key, version, stage_.now());
    const auto done = store_.put(fingerprint_of(key), bytes_of(payload));
    if (is_done(done.has_value(), "a put", done ? nullptr : &done.error())) {
      event.returned = stage_.now();
      own_[key] = version;
    }
  }

  // One that finds nothing promises nothing.
  void remove(std::uint32_t key) {
    Event& event = history_.append(Deed::remove, key, 0, stage_.now());
    const auto done = store_.remove(fingerprint_of(key));
    if (is_done(done.has_value(), "a removal", done ? nullptr : &done.error())) {
      if (*done && !stage_.is_over) event.returned = stage_.now();
      const auto last = own_.find(key);
      const bool was_there = is_own(key) && last != own_.end() && last->second;
      if (!*done && was_there && options_.store.size == Size::unbounded && !stage_.is_over) {
        complain(key, "was not there to be removed");
      }
      own_[key] = std::nullopt;
    }
  }

  void flush() {
    Event& event = history_.append(Deed::flush, 0, 0, stage_.now());
    const auto done = store_.flush();
    if (is_done(done.has_value(), "a flush", done ? nullptr : &done.error()) && !stage_.is_over) {
      event.returned = stage_.now();
    }
  }

  void read(std::uint32_t key) {
    const auto found = store_.get(fingerprint_of(key));
    if (!found) {
      // What nobody flushed before an earlier cut may be torn.
      if (found.error().code != Errc::corrupt) is_done(false, "a look-up", &found.error());
      return;
    }
    const auto version = *found ? version_of(key, (*found)->text()) : std::nullopt;
    if (*found && !version) complain(key, "holds a wrong byte");
    const auto last = own_.find(key);
    if (!is_own(key) || last == own_.end()) return;
    const bool may_be_evicted = options_.store.size == Size::bounded && !*found;
    if (version != last->second && !may_be_evicted && !stage_.is_over) {
      complain(key, "does not hold what this process put last");
    }
  }

  void complain(std::uint32_t key, const std::string& what) {
    is_wrong_ = true;
    history_.complain("key " + std::to_string(key) + " " + what);
  }

  Stage& stage_;
  History& history_;
  const WriterOptions& options_;
  Store& store_;
  std::mt19937_64 random_;
  std::map<std::uint32_t, std::optional<std::uint64_t>> own_;  // put, or removed, in this life
  bool is_wrong_ = false;
};

// From here on entries may be gone. In a pack others may end what was begun, and tell of nothing
// that the index had let go of: whoever is about to evict takes the lock of the store for it.
bool may_evict(Kind kind, const testing::Operation& operation) {
  using testing::Op;
  if (kind == Kind::pack) {
    return operation.op == Op::try_lock && operation.path.ends_with("/store/.larder-lock");
  }
  return operation.op == Op::remove_file && !operation.path.contains("/.larder-");
}

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::pack: return "pack";
    case Kind::larder: return "larder";
    case Kind::vyre: return "vyre";
  }
  return "";
}

std::uint64_t budget_bytes_of(Kind kind) noexcept {
  return kind == Kind::pack ? 6u << 20 : 1300u << 10;
}

Result<std::shared_ptr<Store>> open_chosen(const StoreChoice& choice) {
  Budget budget = {};
  if (choice.size == Size::bounded) budget.max_bytes = budget_bytes_of(choice.kind);
  if (choice.kind != Kind::pack) {
    const FileLayout layout = choice.kind == Kind::vyre ? FileLayout::vyre : FileLayout::larder;
    return open_file_store({.directory = choice.directory,
                            .layout = layout,
                            .budget = budget,
                            .on_evict = choice.on_evict,
                            .log = choice.log,
                            .file_system = choice.file_system});
  }
  // Never reached; with it segments are small.
  if (!budget.max_bytes) budget.max_bytes = 64u << 20;
  return open_pack_store({.directory = choice.directory,
                          .budget = budget,
                          .on_evict = choice.on_evict,
                          .log = choice.log,
                          .file_system = choice.file_system});
}

int write_at_random(Stage& stage, const WriterOptions& options) {
  History& history = stage.histories[options.number];
  StoreChoice choice = options.store;
  choice.on_evict = [&](const Eviction& eviction) {
    const std::uint32_t key = key_of(eviction.fingerprint);
    if (key != canary) history.append(Deed::evicted, key, 0, stage.now());
  };
  testing::FaultFileSystem watched(posix_file_system());
  watched.observe([&](const testing::Operation& operation) {
    if (may_evict(choice.kind, operation)) history.begin_evicting();
  });
  if (choice.size == Size::bounded) choice.file_system = &watched;
  auto store = open_chosen(choice);
  if (store) {
    Writer(stage, options, **store).run();
    store->reset();
    history.end_evicting();
  } else if (!stage.is_over) {
    history.complain("open failed: " + store.error().message);
  }
  return history.complaint().empty() ? 0 : 1;
}

std::string use(Store& store, std::uint64_t version) {
  const std::string payload = payload_for(canary, version);
  const Fingerprint fingerprint = fingerprint_of(canary);
  if (const auto put = store.put(fingerprint, bytes_of(payload)); !put) return put.error().message;
  if (const auto flushed = store.flush(); !flushed) return flushed.error().message;
  const auto found = store.get(fingerprint);
  if (!found) return found.error().message;
  return *found && (*found)->text() == payload ? "" : "what was just put is not there";
}

}  // namespace larder
