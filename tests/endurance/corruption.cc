#include "tests/endurance/corruption.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/endurance/pack_directory.h"

namespace larder::corruption {
namespace {

namespace fs = std::filesystem;

constexpr unsigned case_lifetime_s = 30;
constexpr std::uint64_t to_the_end = ~0ull;

// Of this process: what is under way, for whoever ends it.
struct Progress {
  std::uint64_t cases = 0;
  const Case* now = nullptr;
};

Progress& progress() {
  static Progress progress;
  return progress;
}

void tell_and_die(int signal) {
  const Case* const now = progress().now;
  const std::string text = "signal " + std::to_string(signal) + " in case " +
                           std::to_string(progress().cases) + ": " +
                           (now != nullptr ? now->describe() : "none") +
                           ", LARDER_SEED=" + std::to_string(seed()) + "\n";
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void watch() {
  static const bool is_watched = [] {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGALRM, SIGABRT}) {
      std::signal(signal, tell_and_die);
    }
    return true;
  }();
  (void)is_watched;
}

bool is_missing(const Error& error) {
  return error.code == Errc::corrupt || error.code == Errc::not_ours ||
         error.code == Errc::too_large || error.code == Errc::io_error;
}

bool equal(std::span<const std::byte> bytes, const std::string& value) {
  return bytes.size() == value.size() &&
         (value.empty() || std::memcmp(bytes.data(), value.data(), value.size()) == 0);
}

Answer judge(std::span<const std::byte> bytes, const Entry& entry) {
  if (!entry.is_removed && equal(bytes, entry.value)) return Answer::right;
  const bool is_older = !entry.older.empty() && equal(bytes, entry.older);
  return is_older ? Answer::older : Answer::wrong;
}

template <class T>
Answer judge_found(const Result<std::optional<T>>& found, const Entry& entry) {
  if (!found) return is_missing(found.error()) ? Answer::missing : Answer::wrong;
  return *found ? judge((*found)->bytes(), entry) : Answer::missing;
}

Answer ask_get_into(Store& store, const Entry& entry) {
  std::byte buffer[6000];
  const std::span<std::byte> into(buffer, std::min(sizeof buffer, entry.value.size()));
  const auto length = store.get_into(numbered(entry.number), into);
  if (!length) return is_missing(length.error()) ? Answer::missing : Answer::wrong;
  if (!*length) return Answer::missing;
  return **length <= into.size() ? judge(into.first(**length), entry) : Answer::wrong;
}

// What it tells of a good entry whose recipe alone is damaged is `corrupt`, so that it need not
// agree with the others.
bool inspect_is_sound(Store& store, const Entry& entry) {
  const auto details = store.inspect(numbered(entry.number));
  if (!details) return is_missing(details.error());
  if (!*details) return true;
  return (*details)->recipe == entry.recipe || (*details)->info.payload_bytes == entry.older.size();
}

enum class Way { get_into, get_many, view, contains, inspect };
constexpr std::array all_ways = {Way::get_into, Way::get_many, Way::view, Way::contains,
                                 Way::inspect};

}  // namespace

std::string_view name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::larder: return "larder";
    case Kind::vyre: return "vyre";
    case Kind::pack: return "pack";
    case Kind::zstd_pack: break;
  }
  return "zstd_pack";
}

std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* const given = std::getenv("LARDER_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  }();
  return value;
}

void write_descriptor(int descriptor, std::string_view bytes, std::uint64_t at) {
  const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(at));
  if (written != static_cast<ssize_t>(bytes.size())) ADD_FAILURE() << std::strerror(errno);
}

std::uint64_t cases() { return progress().cases; }

std::string random_bytes(std::mt19937_64& random, std::size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

Answer ask_get(Store& store, const Entry& entry) {
  return judge_found(store.get(numbered(entry.number)), entry);
}

// Where one way finds nothing another may find the right bytes: with a wrong length in the index,
// or in a mapping, where zeros follow the end of a file that was cut.
bool is_sound_beside(Answer got, Answer answer) {
  const auto is_right_or_none = [](Answer one) {
    return one == Answer::right || one == Answer::missing;
  };
  return answer == got || (is_right_or_none(answer) && is_right_or_none(got));
}

bool agrees(Store& store, const Entry& entry, Way way, Answer got) {
  const Fingerprint fingerprint = numbered(entry.number);
  auto* const pack = dynamic_cast<PackStore*>(&store);
  switch (way) {
    case Way::get_into:
      // There is no room for a value before this one.
      return entry.value.size() > 5000 || got == Answer::older ||
             is_sound_beside(got, ask_get_into(store, entry));
    case Way::get_many:
      return is_sound_beside(got,
                             judge_found(store.get_many({&fingerprint, 1}).value().front(), entry));
    case Way::view:
      return pack == nullptr || is_sound_beside(got, judge_found(pack->view(fingerprint), entry));
    case Way::contains: {
      const auto there = store.contains(fingerprint);
      return (there && *there) == (got == Answer::right || got == Answer::older);
    }
    case Way::inspect: break;
  }
  return inspect_is_sound(store, entry);
}

Answer ask(Store& store, const Entry& entry) {
  const Answer got = ask_get(store, entry);
  for (const Way way : all_ways) {
    if (!agrees(store, entry, way, got)) return Answer::wrong;
  }
  return got;
}

// Case.

Case::Case(const Specimen& specimen, std::string_view what) : specimen_(specimen), what_(what) {
  watch();
  progress().now = this;
  ::alarm(case_lifetime_s);
}

Case::~Case() {
  for (const Touched& touched : touched_) {
    const SoundFile& file = *touched.file;
    const std::uint64_t size = file.bytes.size();
    const std::uint64_t from = std::min(touched.from, size);
    const std::uint64_t until = std::min(touched.until, size);
    write_descriptor(file.descriptor, std::string_view(file.bytes).substr(from, until - from),
                     from);
    if (touched.until > size && ::ftruncate(file.descriptor, static_cast<off_t>(size)) != 0) {
      ADD_FAILURE() << std::strerror(errno);
    }
  }
  ::alarm(0);
  progress().now = nullptr;
}

const SoundFile& Case::touch(const std::string& file, std::uint64_t from, std::uint64_t until) {
  const auto found = specimen_.files().find(file);
  touched_.push_back({.file = &found->second, .name = &found->first, .from = from, .until = until});
  return found->second;
}

void Case::overwrite(const std::string& name, std::uint64_t at, std::string_view bytes) {
  const SoundFile& file = touch(name, at, at + bytes.size());
  if (at >= file.bytes.size()) return;
  const std::string_view fitting = bytes.substr(0, file.bytes.size() - at);
  if (std::string_view(file.bytes).substr(at, fitting.size()) == fitting) return;
  write_descriptor(file.descriptor, fitting, at);
  is_spoilt_ = true;
}

void Case::flip(const std::string& name, std::uint64_t bit) {
  const auto was = static_cast<unsigned char>(specimen_.bytes(name)[bit / 8]);
  const char flipped = static_cast<char>(was ^ 1u << bit % 8);
  overwrite(name, bit / 8, {&flipped, 1});
}

void Case::cut(const std::string& name, std::uint64_t length) {
  // A segment that has become longer is none the worse; a file of one entry is.
  const bool is_worse = length < specimen_.bytes(name).size() || name.ends_with(".seg");
  const SoundFile& file = touch(name, is_worse ? length : 0, to_the_end);
  if (length == file.bytes.size()) return;
  if (::ftruncate(file.descriptor, static_cast<off_t>(length)) != 0) ADD_FAILURE();
  is_spoilt_ = true;
}

void Case::become(const std::string& name, std::string_view bytes) {
  const SoundFile& file = touch(name, 0, to_the_end);
  if (bytes == file.bytes) return;
  write_descriptor(file.descriptor, bytes, 0);
  if (::ftruncate(file.descriptor, static_cast<off_t>(bytes.size())) != 0) ADD_FAILURE();
  is_spoilt_ = true;
}

bool Case::is_one() const { return is_spoilt_; }

bool Case::touches(const Place& place) const {
  return std::ranges::any_of(touched_, [&](const Touched& touched) {
    return touched.from < place.until && touched.until > place.from && *touched.name == place.file;
  });
}

bool Case::hits(const Entry& entry) const {
  return std::ranges::any_of(specimen_.places(entry.number),
                             [&](const Place& place) { return place.is_newest && touches(place); });
}

bool Case::hits_an_older_record_of(const Entry& entry) const {
  return std::ranges::any_of(specimen_.places(entry.number), [&](const Place& place) {
    return !place.is_newest && touches(place);
  });
}

void Case::count() const {
  if (is_spoilt_) ++progress().cases;
}

std::string Case::describe() const {
  std::string text = std::string(name_of(specimen_.kind())) + ", " + std::string(what_);
  for (const Touched& touched : touched_) {
    text += ", " + *touched.name + " from " + std::to_string(touched.from) + " to " +
            (touched.until == to_the_end ? "its end" : std::to_string(touched.until));
  }
  return text;
}

void Case::expect(Answer answer, const Entry& entry, Others others, const char* when) const {
  const bool is_hit = hits(entry);
  if (answer == (entry.is_removed ? Answer::missing : Answer::right)) return;
  if (answer == Answer::missing && (is_hit || others == Others::may_be_missing)) return;
  if (answer == Answer::older && (is_hit || others == Others::may_be_missing)) return;
  const char* const names[] = {"right", "older", "missing", "wrong"};
  ADD_FAILURE() << describe() << ": entry " << entry.number << " is "
                << names[static_cast<int>(answer)] << ' ' << when << ", LARDER_SEED=" << seed();
}

void Case::ask_open(Store& store, Others others) const {
  if (!is_spoilt_) return;
  count();
  const auto& entries = specimen_.entries();
  const std::uint64_t number = progress().cases;
  // Shifted by one at each round, so that no test's own rhythm keeps a way from what it spoils.
  const Way way = all_ways[(number + number / all_ways.size()) % all_ways.size()];
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    const bool is_dear = entry.value.size() > 100'000 && number % 64 != 0;
    const bool is_suspect = others == Others::may_be_missing && !is_dear;
    if (hits(entry) || is_suspect) {
      Answer answer = ask_get(store, entry);
      if (!agrees(store, entry, way, answer)) answer = Answer::wrong;
      // Here nothing is rebuilt: what stood before is over.
      const bool is_back = answer == Answer::older && others == Others::must_be_right;
      expect(is_back ? Answer::wrong : answer, entry, others, "in an open store");
    } else if (i == number % entries.size() && !is_dear) {
      expect(ask_get(store, entry), entry, others, "in an open store, untouched");
    }
  }
}

void Case::repair(Store& store) const {
  for (const Entry& entry : specimen_.entries()) {
    if (entry.is_removed) continue;
    const auto stored =
        store.put(numbered(entry.number), bytes_of(entry.value), {.recipe = entry.recipe});
    if (!stored) ADD_FAILURE() << describe() << ": put: " << stored.error().message;
    if (ask(store, entry) != Answer::right) {
      ADD_FAILURE() << describe() << ": entry " << entry.number << " is not there after its put";
    }
  }
  const auto flushed = store.flush();
  if (!flushed) ADD_FAILURE() << describe() << ": flush: " << flushed.error().message;
}

void Case::ask_anew(Hints hints, Opening opening, Others others) const {
  if (!is_spoilt_) return;
  count();
  constexpr std::uint64_t most_growth = 4u << 20;  // two segments, allocated ahead, and an index
  const std::uint64_t before = specimen_.disk_bytes();
  if (hints == Hints::lost && is_pack(specimen_.kind())) {
    fs::remove(specimen_.root() / "state");
    fs::remove(specimen_.root() / specimen_.index_file());
  }
  {
    const auto store = specimen_.open(Access::read_write);
    if (!store && opening == Opening::may_be_refused) return;
    ASSERT_TRUE(store) << describe() << ": " << store.error().message;
    for (const Entry& entry : specimen_.entries()) {
      expect(ask(**store, entry), entry, others, "in a store that was opened anew");
    }
    std::uint64_t visited = 0;
    (void)(*store)->visit(
        [&](const EntryInfo&) { return ++visited < 1'000'000 ? Visit::go_on : Visit::stop; });
    EXPECT_LE(visited, 4 * specimen_.entries().size()) << describe();
    repair(**store);
    EXPECT_TRUE((*store)->metrics().balanced()) << describe();
  }
  EXPECT_LE(specimen_.disk_bytes(), before + most_growth) << describe();
  const auto store = specimen_.open(Access::read_only);
  ASSERT_TRUE(store) << describe();
  for (const Entry& entry : specimen_.entries()) {
    if (!entry.is_removed) {
      EXPECT_EQ(ask(**store, entry), Answer::right) << describe() << ", mended: " << entry.number;
    }
  }
}

}  // namespace larder::corruption
