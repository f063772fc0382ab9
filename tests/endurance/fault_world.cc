#include "tests/endurance/fault_world.h"

#include <stdlib.h>

#include <algorithm>
#include <array>
#include <functional>

#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <class T>
std::string outcome(const Result<T>& result) {
  return result ? "ok" : std::string(errc_name(result.error().code));
}

constexpr std::uint8_t shards = 3;  // so that entries share folders
constexpr int first_of_stranger = 1000;

// Between the two: the store's. Nested the other way round: what the store calls back.
class Between {
 public:
  Between(void (*begin)(), void (*end)()) : end_(end) { begin(); }
  ~Between() { end_(); }
  Between(const Between&) = delete;
  Between& operator=(const Between&) = delete;

 private:
  void (*end_)();
};

}  // namespace

FaultWorld::FaultWorld(StoreKind kind) : kind_(kind) {
  std::string pattern = (temporary_directory() / "larder-").string() + std::string(6, 'X');
  directory_ = ::mkdtemp(pattern.data());
  options = {.directory = (directory_ / "parent" / "store").string(), .flush_threads = 1};
  options.log = [this](LogLevel, std::string_view line) {
    const Between outside(watch.end, watch.begin);
    record_.emplace_back(line);
    some_unread_ = some_unread_ || line.contains("cannot be read");
    are_hidden_ = are_hidden_ && !line.contains("was made anew");
  };
  options.on_evict = [this](const Eviction& eviction) {
    const Between outside(watch.end, watch.begin);
    evicted_.insert(eviction.fingerprint.hex());
    ++evictions_told_;
    for (auto& [number, entry] : entries_) {
      if (key(number) != eviction.fingerprint) continue;
      entry = {.may_hold = std::move(entry.may_hold), .evicted = true};
    }
    for (auto& [number, entry] : strangers_) {
      if (key(number) == eviction.fingerprint) entry.may_be_gone = true;
    }
  };
  options.file_system = &faults;
}

FaultWorld::~FaultWorld() {
  store_.reset();
  another_.reset();
  fs::remove_all(directory_);
}

std::string FaultWorld::brief(std::string_view text) {
  if (text.size() <= 100) return std::string(text);
  return std::to_string(text.size()) + " bytes " +
         std::to_string(std::hash<std::string_view>()(text));
}

Keys FaultWorld::keys_of_stranger() { return keys_of({99}); }

Fingerprint FaultWorld::key(int entry) {
  Fingerprint fingerprint;
  fingerprint.bytes[0] = static_cast<std::uint8_t>(entry % shards);
  fingerprint.bytes[31] = static_cast<std::uint8_t>(entry);
  return fingerprint;
}

void FaultWorld::note(std::string_view call, const std::string& outcome) {
  record_.push_back(std::string(call) + ": " + outcome);
}

void FaultWorld::expect(bool truth, const std::string& what) {
  if (!truth) violations_.push_back(what);
}

template <class Call>
std::invoke_result_t<Call> FaultWorld::watched(const Call& call) {
  const Between inside(watch.begin, watch.end);
  return call();
}

void FaultWorld::open() {
  auto opened = watched(opener_of(kind_, options));
  note("open", outcome(opened));
  store_ = opened.value_or(nullptr);
}

void FaultWorld::close() {
  watched([&] { store_.reset(); });
}

void FaultWorld::put(int entry, std::string_view payload) {
  if (!store_) return;
  Entry& model = entries_[entry];
  model.evicted = false;
  if (kind_ != StoreKind::pack && strangers_.contains(entry)) strangers_[entry].may_be_gone = true;
  const auto done =
      watched([&] { return store_->put(key(entry), bytes_of(payload), {.recipe = "recipe"}); });
  note("put", outcome(done));
  const std::string text = brief(payload);
  ever_[entry].insert(text);
  if (done) {
    model = {.may_hold = {text}, .durable = std::move(model.durable), .evicted = model.evicted};
    if (!model.evicted) model.unflushed = text;
    if (!model.evicted) model.standing = {text};
  } else {
    model.may_hold.insert(text);
    if (!model.standing.empty()) model.standing.insert(text);
    model.mended = model.damaged;
  }
  if (!model.durable.empty()) model.durable.insert(text);
}

// An entry whose header cannot be read any more leaves without its name: as many as were counted
// and not told may be gone.
bool FaultWorld::left_untold(int entry) {
  if (left_untold_.contains(entry)) return true;
  const std::uint64_t may_be_gone = evictions_counted_ + may_leave_untold;
  if (left_untold_.size() + evictions_told_ >= may_be_gone) return false;
  left_untold_.insert(entry);
  return true;
}

void FaultWorld::judge_get(int entry, const Result<std::optional<Artifact>>& found) {
  const Entry& model = entries_[entry];
  const std::string name = "entry " + std::to_string(entry);
  if (spoilt != Spoilt::nothing) {
    const bool may_be = !found || !*found || ever_[entry].contains(brief((*found)->text()));
    return expect(may_be, name + " gave bytes that were never put");
  }
  if (!found) {
    const bool blamed = found.error().code == Errc::corrupt;
    expect(!blamed || model.damaged, name + " was called corrupt");
  } else if (*found) {
    const std::string text = brief((*found)->text());
    const bool may_be = model.may_hold.contains(text) || model.fallback.contains(text);
    expect(may_be, name + " gave wrong bytes: " + text);
    expect(!model.damaged || model.mended, name + " was damaged, and given out");
  } else {
    if (model.standing.empty() && model.durable.empty()) return;
    if (store_) evictions_counted_ = store_->metrics().evictions;
    if (some_unread_ || are_hidden_ || left_untold(entry)) return;
    expect(model.durable.empty(), name + " is durable, and called absent");
    const bool some_lost = store_ && store_->durability().lost > 0;
    expect(model.standing.empty() || some_lost, name + " was put, and is called absent");
  }
}

void FaultWorld::get(int entry) {
  if (!store_) return;
  const auto found = watched([&] { return store_->get(key(entry)); });
  note("get", found && !*found ? "absent" : outcome(found));
  judge_get(entry, found);
}

void FaultWorld::get_into(int entry) {
  if (!store_) return;
  std::array<std::byte, 1000> buffer;
  const auto count = watched([&] { return store_->get_into(key(entry), buffer); });
  note("get_into", count && !*count ? "absent" : outcome(count));
  if (!count) return judge_get(entry, std::unexpected(count.error()));
  if (!*count) return judge_get(entry, std::nullopt);
  judge_get(entry, Artifact::copy_of(std::span(buffer).first(**count)));
}

void FaultWorld::get_many(const std::vector<int>& entries) {
  if (!store_) return;
  std::vector<Fingerprint> keys;
  for (const int entry : entries) keys.push_back(key(entry));
  const auto found = watched([&] { return store_->get_many(keys); });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Lookup answer = found ? (*found)[i] : Lookup(std::unexpected(found.error()));
    note("get_many", answer && !*answer ? "absent" : outcome(answer));
    judge_get(entries[i], answer);
  }
}

void FaultWorld::view(int entry) {
  const auto pack = std::dynamic_pointer_cast<PackStore>(store_);
  if (!pack) return;
  const auto view = watched([&] { return pack->view(key(entry)); });
  note("view", view && !*view ? "absent" : outcome(view));
  if (!view) return judge_get(entry, std::unexpected(view.error()));
  if (!*view) return judge_get(entry, std::nullopt);
  judge_get(entry, Artifact::copy_of((*view)->bytes()));
}

void FaultWorld::remove(int entry) {
  if (!store_) return;
  const auto removed = watched([&] { return store_->remove(key(entry)); });
  note("remove", removed && !*removed ? "absent" : outcome(removed));
  Entry& model = entries_[entry];
  const bool may_be = !removed || *removed || model.durable.empty();
  expect(may_be || spoilt != Spoilt::nothing, "a durable entry was called absent");
  model.durable.clear();
  model.standing.clear();
  model.unflushed.clear();
  if (removed) model.may_hold.clear();
  // What nobody may read is anybody's to remove.
  const bool has_one_file = kind_ != StoreKind::pack && strangers_.contains(entry);
  if (!has_one_file || !removed || !*removed) return;
  expect(!faults.injected().empty(), "a stranger's entry was removed");
  strangers_[entry].may_be_gone = true;
}

void FaultWorld::flush() {
  if (!store_) return;
  const auto flushed = watched([&] { return store_->flush(); });
  note("flush", outcome(flushed));
  if (!flushed && flushed.error().code != Errc::not_durable) return;
  for (auto& [number, model] : entries_) {
    const bool lost = !flushed && std::ranges::count(flushed.error().fingerprints, key(number)) > 0;
    if (lost) {
      // As after a power cut: what was durable before may be there again.
      model.fallback.merge(model.durable);
      model.durable.clear();
      model.standing.clear();
    } else if (!model.unflushed.empty()) {
      model.durable = {model.unflushed};
    }
    model.unflushed.clear();
  }
}

void FaultWorld::prune(const Budget& budget, DryRun dry_run) {
  if (!store_) return;
  const auto report = watched([&] { return store_->prune(budget, dry_run); });
  note("prune", outcome(report));
  if (report) note("evicted", std::to_string(report->evicted_entries));
}

void FaultWorld::clear() {
  if (!store_) return;
  const auto report = watched([&] { return store_->clear(); });
  note("clear", outcome(report));
  if (report) note("evicted", std::to_string(report->evicted_entries));
  if (!are_hidden_) return;
  // It tells of none that the index lacks.
  for (auto& [number, entry] : entries_) {
    entry.durable.clear();
    entry.standing.clear();
  }
}

void FaultWorld::maintain() {
  const auto pack = std::dynamic_pointer_cast<PackStore>(store_);
  if (!pack) return;
  const auto report = watched([&] { return pack->maintain(); });
  note("maintain", outcome(report));
}

void FaultWorld::repair() {
  if (!store_) return;
  struct Seen {
    std::multiset<std::string> strays;  // in no order of the store's
    bool cannot_now = false;            // as they are told
  } seen;
  const auto visitor = [&](const Stray& stray) {
    const Between outside(watch.end, watch.begin);
    seen.strays.insert(std::string(errc_name(stray.code)) + (stray.removed ? " removed" : ""));
    seen.cannot_now =
        seen.cannot_now || stray.code == Errc::out_of_memory || stray.message.contains("(not now");
    return Visit::go_on;
  };
  const auto visited = watched([&] { return store_->visit_strays(visitor, Repair::yes); });
  note("repair", outcome(visited));
  for (const std::string& each : seen.strays) note("stray", each);
  const bool is_done = !visited || seen.strays.contains("corrupt removed") || seen.cannot_now;
  expect(is_done || !faults.injected().empty(), "what is damaged was not repaired");
}

void FaultWorld::lease(int entry) {
  if (!store_) return;
  const auto first = watched([&] { return store_->try_lease(key(entry)); });
  note("lease", first && *first == nullptr ? "held" : outcome(first));
  const auto second = watched([&] { return store_->try_lease(key(entry)); });
  note("second lease", second && *second == nullptr ? "held" : outcome(second));
  const bool both = first && *first && second && *second;
  expect(!both, "two leases on one fingerprint");
}

void FaultWorld::keep_statistics() {
  if (!store_) return;
  note("add", outcome(watched([&] { return store_->add_statistics({.lookups = 2, .hits = 2}); })));
  const auto kept = watched([&] { return store_->statistics(); });
  note("statistics", kept ? std::to_string(kept->hits) : outcome(kept));
  note("reset", outcome(watched([&] { return store_->reset_statistics(); })));
}

void FaultWorld::look_around(int entry) {
  if (!store_) return;
  const auto details = watched([&] { return store_->inspect(key(entry)); });
  note("inspect", details && !*details ? "absent" : outcome(details));
  std::multiset<std::string> seen;  // in no order of the store's
  const auto visitor = [&](const EntryInfo& info) {
    const Between outside(watch.end, watch.begin);
    seen.insert(info.fingerprint.hex() + " " + std::to_string(info.payload_bytes));
    return Visit::go_on;
  };
  const auto visited = watched([&] { return store_->visit(visitor); });
  note("visit", outcome(visited));
  for (const std::string& each : seen) note("visited", each);
  const auto there = watched([&] { return store_->contains(key(entry)); });
  note("contains", there && !*there ? "absent" : outcome(there));
}

std::vector<std::string> FaultWorld::record() const {
  std::vector<std::string> noticed = record_;
  noticed.insert(noticed.end(), evicted_.begin(), evicted_.end());
  if (!store_) return noticed;
  const Metrics metrics = store_->metrics();
  for (const MetricField& field : metric_fields()) {
    // Bytes on disk depend on the file system's mood.
    if (field.name == "bytes") continue;
    noticed.push_back(std::string(field.name) + " " + std::to_string(metrics.*field.member));
  }
  const Durability durability = store_->durability();
  noticed.push_back("pending " + std::to_string(durability.pending));
  noticed.push_back("lost " + std::to_string(durability.lost));
  return noticed;
}

// The faults are gone: an entry put now must come back, and a flush must not lose it.
void FaultWorld::check_store_works(Store& store, int spare_entry) {
  const std::string text = "spare " + std::to_string(spare_entry);
  // What was written wrong may be what everything depends on: the marker.
  const bool may_fail = spoilt == Spoilt::what_was_written;
  const auto done = store.put(key(spare_entry), bytes_of(text));
  expect(done.has_value() || may_fail,
         "afterwards a put fails: " + (done ? "" : done.error().message));
  const auto found = store.get(key(spare_entry));
  const bool has_left = evicted_.contains(key(spare_entry).hex());
  const bool is_right = has_left || (found && *found && (*found)->text() == text);
  expect(is_right || may_fail, "afterwards a put entry is not got");
  const auto flushed = store.flush();
  const bool named =
      !flushed && std::ranges::count(flushed.error().fingerprints, key(spare_entry)) > 0;
  expect(!named, "afterwards a flush still fails for new entries");
  expect(store.metrics().balanced(), "look-ups without an outcome");
}

std::shared_ptr<Store> FaultWorld::open_soundly(const fs::path& at, const Keys& keys) {
  FileStoreOptions sound = options;
  sound.keys = keys;
  sound.directory = at.string();
  sound.file_system = nullptr;
  sound.budget = {};
  sound.access = Access::read_write;
  sound.on_evict = {};
  const auto opened = opener_of(kind_, sound)();
  // Its marker may be what was written wrong.
  if (spoilt == Spoilt::what_was_written && !opened) return nullptr;
  expect(opened.has_value(), "cannot be opened: " + (opened ? "" : opened.error().message));
  return opened.value_or(nullptr);
}

// As he finds it, when he comes again.
void FaultWorld::check_strangers(const fs::path& at) {
  if (strangers_.empty()) return;
  const auto store = open_soundly(at, keys_of_stranger());
  if (!store) return;
  for (const auto& [number, entry] : strangers_) {
    const auto found = store->get(key(number));
    const bool is_there = found && *found;
    const std::string name = "a stranger's entry " + std::to_string(number);
    if (is_there) expect(brief((*found)->text()) == entry.payload, name + " has wrong bytes");
    if (is_there || entry.may_be_gone || spoilt != Spoilt::nothing) continue;
    expect(left_untold(first_of_stranger + number), name + " is lost");
  }
}

// What is hidden is not lost: whoever repairs the store finds it.
void FaultWorld::find_hidden_again(Store& store) {
  const auto go_on = [](const Stray&) { return Visit::go_on; };
  expect(store.visit_strays(go_on, Repair::yes).has_value(), "afterwards a repair fails");
}

void FaultWorld::check_all(Store& store, std::set<std::string> Entry::* must_be_there) {
  if (are_hidden_) find_hidden_again(store);
  for (const auto& [number, model] : entries_) {
    const auto found = store.get(key(number));
    judge_get(number, found);
    const std::set<std::string>& expected = model.*must_be_there;
    if (expected.empty() || left_untold_.contains(number)) continue;
    if (spoilt != Spoilt::nothing) continue;
    const bool right = found && *found && expected.contains(brief((*found)->text()));
    expect(right, "entry " + std::to_string(number) + " is lost");
  }
}

// The flush comes after the copy: it names what is lost in the copy too.
void FaultWorld::check_after_a_kill() {
  if (!fs::exists(options.directory)) return;
  const fs::path killed = directory_ / "killed";
  copy_store(options.directory, killed);
  flush();
  some_unread_ = false;
  const bool are_hidden = are_hidden_;
  if (const auto store = open_soundly(killed, options.keys)) check_all(*store, &Entry::standing);
  are_hidden_ = are_hidden;  // in the store itself
  check_strangers(killed);
}

void FaultWorld::check_aftermath(AfterAKill after_a_kill) {
  constexpr int spare_of_old = 100;
  faults.clear_faults();
  if (store_) evictions_counted_ = store_->metrics().evictions;
  if (store_ && after_a_kill == AfterAKill::checked) check_after_a_kill();
  if (store_ && options.access == Access::read_write) check_store_works(*store_, spare_of_old);
  if (store_) evictions_counted_ = store_->metrics().evictions;
  store_.reset();
  another_.reset();
  check_with_a_sound_system();
}

void FaultWorld::check_with_a_sound_system() {
  constexpr int spare_of_new = 101;
  some_unread_ = false;
  check_strangers(options.directory);
  const auto store = open_soundly(options.directory, options.keys);
  if (!store) return;
  check_all(*store, &Entry::durable);
  check_store_works(*store, spare_of_new);
  expect(store->flush().has_value(), "a store opened afterwards cannot flush");
  expect(!has_temporary(options.directory), "a leftover was not swept");
}

}  // namespace larder
