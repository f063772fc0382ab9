#include "tests/endurance/hammer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "format/entry_name.h"
#include "tests/endurance/pack_directory.h"

namespace larder::hammer {
namespace {

namespace fs = std::filesystem;

constexpr unsigned threads_of_a_process = 8;
constexpr int openings = 3;  // of each process

struct Header {
  std::uint64_t version = 0;
  std::uint32_t key = 0;
  std::uint32_t bytes = 0;  // of all
};

// Small ones, some of many pages, and in a pack some that are too large for a segment.
std::uint32_t size_of(std::uint32_t key, std::uint64_t version) {
  const std::uint64_t mixed = (version * 0x9e3779b97f4a7c15ull + key) >> 32;
  if (key % 100 == 99) return static_cast<std::uint32_t>(270'000 + mixed % 40'000);
  const std::uint64_t most = key % 10 == 9 ? 40'000 : 3000;
  return static_cast<std::uint32_t>(sizeof(Header) + mixed % most);
}

void raise(std::atomic<std::uint64_t>& to, std::uint64_t value) {
  std::uint64_t seen = to.load();
  while (seen < value && !to.compare_exchange_weak(seen, value)) {
  }
}

std::string describe(const Error& error) {
  return std::string(errc_name(error.code)) + ": " + error.message;
}

std::size_t count_files(const char* directory) {
  const auto names = fs::directory_iterator(directory);
  return static_cast<std::size_t>(std::distance(begin(names), end(names)));
}

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::larder: return "larder";
    case Kind::vyre: return "vyre";
    case Kind::pack: break;
  }
  return "pack";
}

std::uint64_t seed() {
  const char* const given = std::getenv("LARDER_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

std::string payload_of(std::uint32_t key, std::uint64_t version) {
  const Header header{.version = version, .key = key, .bytes = size_of(key, version)};
  std::string payload(header.bytes, '\0');
  std::memcpy(payload.data(), &header, sizeof header);
  std::uint64_t state = version * 0xbf58476d1ce4e5b9ull + key + 1;
  for (std::size_t at = sizeof header; at < payload.size(); at += 8) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(payload.data() + at, &state, std::min<std::size_t>(8, payload.size() - at));
  }
  return payload;
}

// Ledger.

std::uint64_t Ledger::new_version(std::uint32_t key) {
  const std::uint64_t version = shared_->keys_of[key].next_version.fetch_add(1);
  Version& slot = shared_->keys_of[key].versions[version % versions_kept];
  slot.end = 0;
  slot.number = version;
  return version;
}

Ledger::Change::Change(Ledger& ledger, std::uint32_t key, std::optional<std::uint64_t> version)
    : ledger_(ledger),
      key_(key),
      version_(version),
      start_(ledger.shared_->clock.fetch_add(1) + 1) {
  if (version) ++ledger_.shared_->keys_of[key].versions[*version % versions_kept].under_way;
}

void Ledger::Change::succeeded() {
  const std::uint64_t end = ledger_.shared_->clock.fetch_add(1) + 1;
  Key& key = ledger_.shared_->keys_of[key_];
  if (version_) raise(key.versions[*version_ % versions_kept].end, end);
  raise(key.horizon, start_);
}

Ledger::Change::~Change() {
  Key& key = ledger_.shared_->keys_of[key_];
  if (version_) --key.versions[*version_ % versions_kept].under_way;
}

std::uint64_t Ledger::horizon(std::uint32_t key) const { return shared_->keys_of[key].horizon; }

// One of which nothing is known any more has a thousand after it.
bool Ledger::is_over(std::uint32_t key, std::uint64_t version, std::uint64_t horizon) const {
  const Version& slot = shared_->keys_of[key].versions[version % versions_kept];
  if (slot.under_way != 0) return false;
  return slot.number != version || slot.end < horizon;
}

std::optional<std::uint64_t> Ledger::judge(std::uint32_t key, std::span<const std::byte> found,
                                           std::uint64_t horizon) {
  const std::string name = "entry " + std::to_string(key) + ": ";
  Header header;
  if (found.size() < sizeof header) {
    fail(name + "torn: " + std::to_string(found.size()) + " bytes");
    return std::nullopt;
  }
  std::memcpy(&header, found.data(), sizeof header);
  if (header.key != key || header.version >= shared_->keys_of[key].next_version) {
    fail(name + "foreign: says that it is " + std::to_string(header.key));
    return std::nullopt;
  }
  const std::string expected = payload_of(key, header.version);
  if (found.size() != expected.size() ||
      std::memcmp(found.data(), expected.data(), expected.size()) != 0) {
    fail(name + "torn: not what version " + std::to_string(header.version) + " was");
    return std::nullopt;
  }
  if (is_over(key, header.version, horizon)) {
    fail(name + "stale: version " + std::to_string(header.version) + " was over");
    return std::nullopt;
  }
  return header.version;
}

void Ledger::fail(const std::string& what) {
  const std::uint32_t number = shared_->failures.fetch_add(1);
  if (number >= shared_->texts.size()) return;
  auto& text = shared_->texts[number];
  what.copy(text.data(), text.size() - 1);
}

std::vector<std::string> Ledger::failures() const {
  const std::uint32_t all = shared_->failures;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min<std::size_t>(all, shared_->texts.size()); ++i) {
    texts.emplace_back(shared_->texts[i].data());
  }
  if (all > texts.size()) texts.push_back("and more, in all " + std::to_string(all));
  return texts;
}

void Ledger::count_operation() { shared_->operations.fetch_add(1, std::memory_order_relaxed); }
std::uint64_t Ledger::operations() const { return shared_->operations; }
void Ledger::count_evictions(std::uint64_t count) { shared_->evictions += count; }
std::uint64_t Ledger::evictions() const { return shared_->evictions; }

// Yard.

Yard::Yard(Kind kind) : kind_(kind) {
  const fs::path memory = "/dev/shm";
  const bool is_there = ::access(memory.c_str(), W_OK) == 0;
  std::string pattern =
      ((is_there ? memory : fs::temp_directory_path()) / "larder-").string() + std::string(6, 'X');
  parent_ = ::mkdtemp(pattern.data());
}

Yard::~Yard() {
  std::error_code ignored;
  fs::remove_all(parent_, ignored);
}

// About half of what the entries need; a pack has segments of a MiB for each process besides.
Budget Yard::budget() const noexcept {
  return {.max_bytes = (kind_ == Kind::pack ? 12ull : 1ull) << 20};
}

Result<std::shared_ptr<Store>> Yard::open() const {
  const std::string directory = (parent_ / "store").string();
  if (kind_ == Kind::pack) return open_pack_store({.directory = directory, .budget = budget()});
  return open_file_store({.directory = directory,
                          .layout = kind_ == Kind::vyre ? FileLayout::vyre : FileLayout::larder,
                          .budget = budget()});
}

std::uint64_t Yard::disk_bytes() const {
  std::uint64_t sum = 0;
  std::error_code ignored;
  for (fs::recursive_directory_iterator at(parent_, ignored), end; at != end;
       at.increment(ignored)) {
    struct stat status = {};
    if (::lstat(at->path().c_str(), &status) == 0) {
      sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  }
  return sum;
}

void Yard::forget_index() const {
  std::vector<fs::path> hints;
  for (const auto& entry : fs::directory_iterator(parent_ / "store")) {
    const std::string name = entry.path().filename().string();
    if (name == "state" || name.starts_with("index.")) hints.push_back(entry.path());
  }
  for (const fs::path& hint : hints) fs::remove(hint);
}

std::vector<std::string> Yard::leftovers() const {
  std::vector<std::string> found;
  std::size_t indexes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(parent_ / "store")) {
    const std::string name = entry.path().filename().string();
    if (format::is_temporary_name(name)) found.push_back(name);
    if (name.starts_with("index.") && ++indexes > 1) found.push_back(name);
    if (name.ends_with(".bad")) found.push_back(name);
  }
  return found;
}

// Worker.

Worker::Worker(const Parts& parts, std::uint64_t seed)
    : ledger_(parts.ledger), store_(parts.store), prunes_(parts.prunes), random_(seed) {}

void Worker::work(std::uint64_t operations) {
  for (std::uint64_t i = 0; i < operations; ++i) {
    do_one();
    ledger_.count_operation();
  }
}

void Worker::fail(std::string_view what, std::uint32_t key, const Error& error) {
  ledger_.fail(std::string(what) + " of " + std::to_string(key) + ": " + describe(error));
}

void Worker::do_one() {
  const auto what = static_cast<unsigned>(random_() % 1000);
  const std::uint32_t key = any_key();
  if (what < 500) return look_up(key, what % 10);
  if (what < 530) return get_many();
  if (what < 770) return put_new(key);
  if (what < 900) return put_again(key);
  if (what < 960) return remove(key);
  if (what < 990) {
    if (const auto there = store_.contains(numbered(key)); !there)
      fail("contains", key, there.error());
    return;
  }
  if (what < 994) return visit();
  if (what < 996) return prunes_ == Prunes::often || random_() % 20 == 0 ? prune() : visit();
  if (const auto flushed = store_.flush(); !flushed) fail("flush", key, flushed.error());
}

void Worker::judge(std::uint32_t key, const Result<std::optional<Artifact>>& found,
                   std::uint64_t horizon) {
  if (!found) return fail("get", key, found.error());
  if (!*found) return;
  if (const auto version = ledger_.judge(key, (*found)->bytes(), horizon)) {
    seen_[key] = *version + 1;
  }
}

void Worker::look_up(std::uint32_t key, unsigned how) {
  const std::uint64_t horizon = ledger_.horizon(key);
  switch (how) {
    case 0:
    case 1: return get_into(key);
    case 2:
    case 3: return view(key);
    case 4: {
      const auto details = store_.inspect(numbered(key));
      if (!details) fail("inspect", key, details.error());
      return;
    }
    default: return judge(key, store_.get(numbered(key)), horizon);
  }
}

void Worker::get_into(std::uint32_t key) {
  thread_local std::vector<std::byte> buffer(400'000);
  const std::uint64_t horizon = ledger_.horizon(key);
  const auto length = store_.get_into(numbered(key), buffer);
  if (!length) return fail("get_into", key, length.error());
  if (*length) (void)ledger_.judge(key, std::span(buffer).first(**length), horizon);
}

void Worker::get_many() {
  std::array<std::uint32_t, 12> wanted = {};
  std::array<std::uint64_t, 12> horizons = {};
  std::array<Fingerprint, 12> fingerprints = {};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    wanted[i] = any_key();
    horizons[i] = ledger_.horizon(wanted[i]);
    fingerprints[i] = numbered(wanted[i]);
  }
  const auto found = store_.get_many(fingerprints).value();
  for (std::size_t i = 0; i < wanted.size(); ++i) judge(wanted[i], found[i], horizons[i]);
}

// One is held for a while, and must still show what it showed.
void Worker::view(std::uint32_t key) {
  auto* const pack = dynamic_cast<PackStore*>(&store_);
  const std::uint64_t horizon = ledger_.horizon(key);
  if (pack == nullptr) return judge(key, store_.get(numbered(key)), horizon);
  const auto text_of = [](const MappedView& view) {
    const auto bytes = view.bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  if (held_ && text_of(held_->view) != held_->bytes) {
    ledger_.fail("entry " + std::to_string(held_->key) + ": a view has changed");
  }
  auto found = pack->view(numbered(key));
  if (!found) return fail("view", key, found.error());
  if (!*found || !ledger_.judge(key, (*found)->bytes(), horizon)) return;
  std::string bytes = text_of(**found);
  held_.emplace(Held{.key = key, .view = **std::move(found), .bytes = std::move(bytes)});
}

void Worker::put(std::uint32_t key, std::uint64_t version) {
  const std::string payload = payload_of(key, version);
  Ledger::Change change(ledger_, key, version);
  const auto stored = store_.put(numbered(key), bytes_of(payload), {});
  if (!stored) return fail("put", key, stored.error());
  change.succeeded();
  seen_[key] = version + 1;
}

void Worker::put_new(std::uint32_t key) { put(key, ledger_.new_version(key)); }

// What was seen last: most often it is there, and nothing is to be written; sometimes it has been
// replaced or evicted.
void Worker::put_again(std::uint32_t key) {
  if (seen_[key] == 0) return put_new(key);
  put(key, seen_[key] - 1);
}

void Worker::remove(std::uint32_t key) {
  Ledger::Change change(ledger_, key, std::nullopt);
  const auto removed = store_.remove(numbered(key));
  if (!removed) return fail("remove", key, removed.error());
  change.succeeded();
}

void Worker::visit() {
  std::size_t strangers = 0;
  const auto visited = store_.visit([&](const EntryInfo& entry) {
    const std::uint32_t key = entry.fingerprint.bytes[0] | entry.fingerprint.bytes[1] << 8;
    if (key >= keys || entry.fingerprint != numbered(key)) ++strangers;
    return Visit::go_on;
  });
  if (!visited) fail("visit", 0, visited.error());
  if (strangers > 0) ledger_.fail("visit: entries that nobody put");
}

// Somebody else may be evicting for longer than a prune waits.
void Worker::prune() {
  const auto pruned = store_.prune({.max_entries = keys / 2});
  if (!pruned && pruned.error().code != Errc::timed_out) fail("prune", 0, pruned.error());
}

std::size_t descriptors() { return count_files("/proc/self/fd"); }
std::size_t threads() { return count_files("/proc/self/task"); }

void hammer_in_this_process(Ledger& ledger, const Yard& yard, const Task& task) {
  std::jthread([] {}).join();  // ThreadSanitizer starts one of its own with the first
  const std::size_t descriptors_before = descriptors();
  const std::size_t threads_before = threads();
  for (int opening = 0; opening < openings; ++opening) {
    const auto store = yard.open();
    if (!store) return ledger.fail("open: " + describe(store.error()));
    {
      std::vector<std::jthread> started;
      for (unsigned i = 0; i < threads_of_a_process; ++i) {
        started.emplace_back([&, i] {
          Worker worker({.ledger = ledger, .store = **store, .prunes = task.prunes},
                        task.seed + 100 * static_cast<std::uint64_t>(opening) + i);
          worker.work(task.operations / openings / threads_of_a_process);
        });
      }
    }
    if (const auto flushed = (*store)->flush(); !flushed) {
      ledger.fail("the last flush: " + describe(flushed.error()));
    }
    if (!(*store)->durability().durable) ledger.fail("not durable after the last flush");
    const Metrics metrics = (*store)->metrics();
    if (!metrics.balanced()) ledger.fail("metrics do not balance");
    ledger.count_evictions(metrics.evictions);
  }
  if (descriptors() != descriptors_before) ledger.fail("descriptors are left open");
  if (threads() != threads_before) ledger.fail("threads are left running");
}

namespace {

void check_entries(Ledger& ledger, Store& store) {
  std::size_t there = 0;
  const auto visited = store.visit([&](const EntryInfo& entry) {
    const auto details = store.inspect(entry.fingerprint);
    if (!details || !*details) ledger.fail("at the end: an entry that is not good");
    ++there;
    return Visit::go_on;
  });
  if (!visited) ledger.fail("visit at the end: " + describe(visited.error()));
  if (there == 0) ledger.fail("at the end: no entries");
  for (std::uint32_t key = 0; key < keys; ++key) {
    const std::uint64_t horizon = ledger.horizon(key);
    const auto found = store.get(numbered(key));
    if (!found) ledger.fail("get at the end: " + describe(found.error()));
    if (found && *found) (void)ledger.judge(key, (*found)->bytes(), horizon);
  }
}

// Nothing leads to a segment that somebody has taken away.
void check_strays(Ledger& ledger, Store& store) {
  const auto visited = store.visit_strays(
      [&](const Stray& stray) {
        if (stray.message.starts_with("missing")) ledger.fail(stray.location + ": missing");
        return Visit::go_on;
      },
      Repair::no);
  if (!visited) ledger.fail("visit_strays at the end: " + describe(visited.error()));
}

}  // namespace

void check_what_is_left(Ledger& ledger, const Yard& yard) {
  // Of a pack with the index that all of them made, and with one from its segments.
  for (const bool is_index_lost : {false, true}) {
    if (is_index_lost) yard.forget_index();
    const auto store = yard.open();
    if (!store) return ledger.fail("open at the end: " + describe(store.error()));
    check_strays(ledger, **store);
    check_entries(ledger, **store);
    const auto pruned = (*store)->prune(yard.budget());
    if (!pruned) ledger.fail("prune at the end: " + describe(pruned.error()));
  }
  if (yard.disk_bytes() > *yard.budget().max_bytes) {
    ledger.fail("at the end: " + std::to_string(yard.disk_bytes()) + " bytes on disk");
  }
  if (ledger.evictions() == 0) ledger.fail("nothing was evicted");
  for (const std::string& name : yard.leftovers()) ledger.fail("left over: " + name);
}

}  // namespace larder::hammer
