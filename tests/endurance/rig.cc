#include "tests/endurance/rig.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "format/pack_index.h"

namespace larder {
namespace {

namespace fs = std::filesystem;

constexpr double patience_s = 10;

bool is_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(".larder-") && name != ".larder-lock";
}

// A name of ours that only a file on its way bears.
std::string leftovers_in(const fs::path& root) {
  std::string found;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (is_leftover(entry.path())) found += "left over: " + entry.path().string() + "\n";
  }
  return found;
}

void forget_index(const fs::path& root) {
  std::vector<fs::path> hints;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (name == "state" || format::parse_index_name(name)) hints.push_back(entry.path());
  }
  for (const fs::path& path : hints) fs::remove(path);
}

}  // namespace

std::uint64_t number_from(const char* variable, std::uint64_t usual) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

std::uint64_t seed_of_run() { return number_from("LARDER_SEED", 1); }

std::string ending_of(pid_t child) {
  const Stopwatch waited;
  int status = 0;
  bool was_ended = false;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (waited.seconds() > patience_s) {
      ::kill(child, SIGKILL);
      was_ended = true;
    }
    ::usleep(200);
  }
  if (was_ended) return "a process did not come to an end";
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status)) return "a process returned " + std::to_string(WEXITSTATUS(status));
  if (WTERMSIG(status) == SIGKILL) return {};
  return std::string("a process died: ") + ::strsignal(WTERMSIG(status));
}

std::string check_store(const StoreChoice& choice, Ledger& ledger, Index index) {
  if (!fs::exists(choice.directory)) return {};  // the cut came before anything was promised
  if (choice.kind == Kind::pack && index == Index::lost) forget_index(choice.directory);
  // Without a budget: what it evicts would be in no history.
  const auto store = open_chosen({.kind = choice.kind, .directory = choice.directory});
  if (!store) return "open failed: " + store.error().message;
  std::string wrong = leftovers_in(choice.directory);
  wrong += ledger.compare(**store);
  const std::string unusable = use(**store, ledger.promises_checked() + 1);
  return unusable.empty() ? wrong : wrong + "the store does not work on: " + unusable + "\n";
}

std::uint64_t disk_bytes(const fs::path& directory) {
  std::uint64_t bytes = 0;
  struct stat info = {};
  if (!fs::exists(directory)) return bytes;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (::lstat(entry.path().c_str(), &info) == 0) {
      bytes += 512 * static_cast<std::uint64_t>(info.st_blocks);
    }
  }
  return bytes;
}

}  // namespace larder
