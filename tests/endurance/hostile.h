// Objects that no store makes, the places of a store where they can stand, and a watchdog who asks
// a store about everything beside them.
//
// A case is one object at one place of a fresh copy of a sound store. A process of its own, as root
// or as an ordinary user, opens the store and calls everything; it says what it is about to call.
// The watchdog ends it when a call does not answer, looks whether anything outside of the store was
// opened or changed, and clears up. The outside has a valid entry for every name, so that whoever
// follows a link finds something that verifies.
#ifndef LARDER_TESTS_ENDURANCE_HOSTILE_H_
#define LARDER_TESTS_ENDURANCE_HOSTILE_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "larder/pack_store.h"
#include "tests/endurance/shared_memory.h"

namespace larder::hostile {

enum class Kind { larder, vyre, pack };
std::string_view name_of(Kind kind) noexcept;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#elif defined(__has_feature)
inline constexpr bool is_sanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool is_sanitized = false;
#endif

inline constexpr uid_t ordinary_user = 54321;
inline constexpr uid_t stranger = 54322;

// Where an object is to stand.
struct Site {
  std::filesystem::path path = {};
  std::filesystem::path outside = {};  // holds file, empty, entry, pipe, hollow, folder/canary
  std::string original = {};           // the bytes of the sound file that stood there
  bool is_directory = false;           // a sound directory stands there
  uid_t user = 0;                      // whose store it is
  std::vector<std::function<void()>> undo = {};
};

struct Place {
  std::string_view name;
  std::filesystem::path (*path)(Kind kind, const std::filesystem::path& root);
  bool harms_all = false;  // a store without it may serve nothing
  bool is_mapped = false;  // by the store: who cuts it short may end the process (not promised)
};
std::vector<Place> places_of(Kind kind);

enum class Reach { inside, linked };  // linked: a second name of something outside

struct Object {
  std::string_view name;
  // False: it cannot stand there.
  bool (*make)(Site& site);
  Reach reach = Reach::inside;
  const char* (*why_not)() = nullptr;  // what this machine lacks for it; null: nothing
  bool is_changing = false;            // while it is in use
};
const std::vector<Object>& objects();

// Who runs a case, and what came of it.
struct Outcome {
  std::string failure = {};  // empty: all is well
  std::chrono::milliseconds slowest = {};
  std::string slowest_call = {};
};

// Calls everything, in a process of its own. `prepare` runs in it once the store is open.
class Watchdog {
 public:
  struct Asked {
    Kind kind;
    std::filesystem::path root;
    uid_t user = 0;
    bool neighbour_must_be_there = true;
    bool puts_must_stay = true;
    std::function<void()> when_open = {};
    // What may happen to a store whose directory is hostile itself.
    bool open_must_fail = false;
  };
  Outcome watch(const Asked& asked);

 private:
  struct Shared {
    std::atomic<const char*> call = "start";  // of one program: the same address in its children
    std::atomic<std::int64_t> slowest_ms = 0;
    std::atomic<const char*> slowest = "";
    std::atomic<bool> has_failed = false;
    std::array<char, 600> text = {};
  };

  int ask(const Asked& asked);
  void ask_store(Store& store, const Asked& asked);
  template <class Call>
  void call(const char* name, const Call& call);
  void fail(const std::string& what);

  std::unique_ptr<SharedMemory<Shared>> shared_;
};

// Something that must not be touched: names, modes, owners, times and contents, and who opens what.
class Canary {
 public:
  explicit Canary(const std::filesystem::path& root);
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;
  ~Canary();

  // What happened since the last call; empty when nothing did.
  std::string disturbance(Reach reach);

 private:
  std::string describe() const;
  std::uint32_t events() const;

  const std::filesystem::path root_;
  std::string before_;
  int events_;
};

// A sound store, and copies of it.
class Template {
 public:
  Template(Kind kind, uid_t user);
  Template(const Template&) = delete;
  Template& operator=(const Template&) = delete;
  ~Template();

  Kind kind() const noexcept { return kind_; }
  const std::filesystem::path& parent() const noexcept { return parent_; }
  std::filesystem::path outside() const { return parent_ / "outside"; }
  std::filesystem::path copy() const;  // replaces the last one

 private:
  void make_outside() const;

  const Kind kind_;
  const uid_t user_;
  std::filesystem::path parent_;
};

// Says so; a failure where LARDER_REQUIRED is set. True.
bool skip(std::string_view what, std::string_view why);

Result<std::shared_ptr<Store>> open_store_of(Kind kind, const std::filesystem::path& root);
void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);
void run_as(uid_t user, const std::function<void()>& body);   // in a child
void give_to(uid_t user, const std::filesystem::path& path);  // a link itself
void mount_over(const std::filesystem::path& from, const std::filesystem::path& at);

}  // namespace larder::hostile

#endif  // LARDER_TESTS_ENDURANCE_HOSTILE_H_
