// What the tests with real kernels share: how much to do, from which seed, and how a store looks
// after its writers ended badly.
#ifndef LARDER_TESTS_ENDURANCE_RIG_H_
#define LARDER_TESTS_ENDURANCE_RIG_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/endurance/ledger.h"
#include "tests/endurance/writer.h"

namespace larder {

// The environment variable of that name, or `usual`.
std::uint64_t number_from(const char* variable, std::uint64_t usual);

// LARDER_SEED, or 1: printed with every result.
std::uint64_t seed_of_run();

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }

 private:
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

// How a child ended; waits, and after ten seconds ends it. Empty for exit status 0 and for SIGKILL.
std::string ending_of(pid_t child);

enum class Index : std::uint8_t { kept, lost };  // of a pack: made anew from the segments

// Opens the store as its next user would, compares it with the ledger, looks for leftovers, and
// uses it. Returns what is wrong.
std::string check_store(const StoreChoice& choice, Ledger& ledger, Index index);

// As `du` counts, of all that is in it; 0 when it is not there.
std::uint64_t disk_bytes(const std::filesystem::path& directory);

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_RIG_H_
