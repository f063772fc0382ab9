// Processes of a test.
#ifndef LARDER_TESTS_ENDURANCE_CHILD_H_
#define LARDER_TESTS_ENDURANCE_CHILD_H_

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace larder {

// The child's exit status is what `body` returns. It leaves without destructors of its own, as one
// that was killed does: `body` says what is destroyed there. It does not outlive the bound.
inline pid_t start_child(const std::function<int()>& body) {
  constexpr unsigned lifetime_s = 120;
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(lifetime_s);
  ::_exit(body());
}

// The exit status, or minus the signal that ended it.
inline int wait_for(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

inline int in_child(const std::function<int()>& body) { return wait_for(start_child(body)); }

}  // namespace larder

#endif  // LARDER_TESTS_ENDURANCE_CHILD_H_
