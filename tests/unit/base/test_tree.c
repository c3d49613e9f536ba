/* tree.c: trees that a stranger made, deep, wide, locked, linked, mounted on. */
#include "../unit.h"

#include "base/err.h"
#include "base/file.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DEPTH 3000

static void make_file(int dir_fd, const char *name, size_t bytes)
{
    own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    own_free char *data = own_calloc(1, bytes);
    memset(data, 'x', bytes);
    assert_int_equal(file_write_all(fd, data, bytes), 0);
}

static int make_deep(const char *root)
{
    int fd = file_make_dir(AT_FDCWD, root, 0755, NULL);
    for (int i = 0; i < DEPTH; i++) {
        int deeper = file_make_dir(fd, "a-name-that-makes-the-path-far-too-long", 0755, NULL);
        assert_true(deeper >= 0);
        close(fd);
        fd = deeper;
    }
    return fd;
}

static void a_tree_3000_deep_is_counted_and_goes(void **state)
{
    (void)state;
    int64_t bytes, inodes;
    own_fd int bottom = make_deep("deep");
    make_file(bottom, "file", 10000);
    struct rlimit few = {.rlim_cur = 32, .rlim_max = 4096}, before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(file_tree_usage(AT_FDCWD, "deep", 0, &bytes, &inodes), 0);
    assert_int_equal(inodes, DEPTH + 1);
    assert_true(bytes >= 10000);
    assert_int_equal(file_remove_tree(AT_FDCWD, "deep", NULL), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(access("deep", F_OK), -1);
}

static void a_wide_tree_goes(void **state)
{
    (void)state;
    int64_t bytes, inodes;
    own_fd int root = file_make_dir(AT_FDCWD, "wide", 0755, NULL);
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%d", i);
        own_fd int sub = file_make_dir(root, name, 0755, NULL);
        make_file(sub, "a", 1);
        make_file(sub, "b", 1);
    }
    assert_int_equal(file_tree_usage(AT_FDCWD, "wide", 0, &bytes, &inodes), 0);
    assert_int_equal(inodes, 6000);
    assert_int_equal(file_remove_tree(AT_FDCWD, "wide", NULL), 0);
    assert_int_equal(access("wide", F_OK), -1);
}

static void links_are_removed_not_followed(void **state)
{
    (void)state;
    int64_t bytes, inodes;
    own_fd int outside = file_make_dir(AT_FDCWD, "outside", 0755, NULL);
    own_fd int tree = file_make_dir(AT_FDCWD, "tree", 0755, NULL);
    make_file(outside, "keep", 100000);
    assert_int_equal(symlinkat("../outside", tree, "dir"), 0);
    assert_int_equal(symlinkat("../outside/keep", tree, "file"), 0);
    assert_int_equal(symlinkat("nowhere", tree, "dangling"), 0);
    assert_int_equal(mkfifoat(tree, "fifo", 0600), 0);
    assert_int_equal(file_tree_usage(AT_FDCWD, "tree", 0, &bytes, &inodes), 0);
    assert_int_equal(inodes, 4);
    assert_true(bytes < 100000);
    assert_int_equal(file_remove_tree(AT_FDCWD, "tree", NULL), 0);
    assert_int_equal(faccessat(outside, "keep", F_OK, 0), 0);

    assert_int_equal(symlink("outside", "link"), 0);
    assert_int_equal(file_tree_usage(AT_FDCWD, "link", 0, &bytes, &inodes), -ENOTDIR);
    assert_int_equal(file_remove_tree(AT_FDCWD, "link", NULL), 0);
    assert_int_equal(faccessat(outside, "keep", F_OK, 0), 0);
    assert_int_equal(file_remove_tree(AT_FDCWD, "outside", NULL), 0);
}

static void files_and_nothing_are_fine(void **state)
{
    (void)state;
    make_file(AT_FDCWD, "one", 1);
    assert_int_equal(file_remove_tree(AT_FDCWD, "one", NULL), 0);
    assert_int_equal(file_remove_tree(AT_FDCWD, "one", NULL), 0);
    int64_t bytes, inodes;
    assert_int_equal(file_tree_usage(AT_FDCWD, "one", 0, &bytes, &inodes), -ENOENT);
}

/* As a job may leave its own directory, which is watched by its descriptor. */
static void what_was_removed_is_empty(void **state)
{
    (void)state;
    own_fd int gone = file_make_dir(AT_FDCWD, "gone", 0755, NULL);
    int64_t bytes = -1, inodes = -1;
    assert_int_equal(rmdir("gone"), 0);
    assert_int_equal(file_tree_usage(gone, ".", 0, &bytes, &inodes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(inodes, 0);
}

static void make_locked(void)
{
    own_fd int root = file_make_dir(AT_FDCWD, "locked", 0755, NULL);
    own_fd int sub = file_make_dir(root, "sub", 0755, NULL);
    own_fd int deeper = file_make_dir(sub, "deeper", 0755, NULL);
    make_file(deeper, "file", 1);
    fchmod(deeper, 0500);
    fchmod(sub, 0000);
    fchmod(root, 0000);
}

/* As nobody, for whom modes count, in a child so that we stay who we are. */
static void modes_do_not_stop_their_owner(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && (chown(".", 65534, 65534) < 0 || setgroups(0, NULL) < 0 ||
                              setgid(65534) < 0 || setuid(65534) < 0))
            _exit(2);
        make_locked();
        int rc = file_remove_tree(AT_FDCWD, "locked", NULL);
        _exit(rc == 0 && access("locked", F_OK) < 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* In a mount namespace of its own; a machine that grants none tells so. */
static void what_is_mounted_inside_is_left_alone(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        own_fd int root = file_make_dir(AT_FDCWD, "mounted", 0755, NULL);
        own_fd int sub = file_make_dir(root, "sub", 0755, NULL);
        if (sub < 0 || mount("none", "mounted/sub", "tmpfs", 0, NULL) < 0)
            _exit(77);
        own_fd int inside = file_open_dir(root, "sub", NULL);
        make_file(inside, "keep", 1);
        struct err e = ERR_INIT;
        int rc = file_remove_tree(AT_FDCWD, "mounted", &e);
        _exit(rc == -EXDEV && faccessat(inside, "keep", F_OK, 0) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77)
        print_message("not applicable: this machine grants no mount namespace\n");
    else
        assert_int_equal(status, 0);
    assert_int_equal(file_remove_tree(AT_FDCWD, "mounted", NULL), 0);
}

/* For ever: fills "moving" and moves a directory of it to "other". */
static void move_about(void)
{
    static const char *const siblings[] = {"moving/x", "moving/y", "moving/z"};
    for (;;) {
        for (int i = 0; i < 3; i++)
            (void)mkdir(siblings[i], 0755);
        (void)mkdir("moving/a", 0755);
        (void)mkdir("moving/a/b", 0755);
        (void)rename("moving/a", "other/a");
        (void)rmdir("other/a/b");
        (void)rmdir("other/a");
    }
}

/* A directory is moved out while the walk is in it, so that its ".." is a
 * place that is not ours, with directories of the same names in it. */
static void a_moved_directory_leads_nowhere(void **state)
{
    (void)state;
    own_fd int moving = file_make_dir(AT_FDCWD, "moving", 0755, NULL);
    assert_true(moving >= 0);
    own_fd int other = file_make_dir(AT_FDCWD, "other", 0755, NULL);
    static const char *const names[] = {"x", "y", "z"};
    for (int i = 0; i < 3; i++) {
        own_fd int dir = file_make_dir(other, names[i], 0755, NULL);
        make_file(dir, "keep", 1);
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion ends us */
        move_about();
    }
    int moved = 0;
    for (int i = 0; i < 100000 && moved < 20; i++) {
        moved += file_remove_tree(AT_FDCWD, "moving", NULL) == -ESTALE;
        own_fd int again = file_make_dir(AT_FDCWD, "moving", 0755, NULL);
        assert_true(again >= 0);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(moved, 20);
    for (int i = 0; i < 3; i++) {
        own_fd int dir = file_open_dir(other, names[i], NULL);
        assert_int_equal(faccessat(dir, "keep", F_OK, 0), 0);
    }
    assert_int_equal(file_remove_tree(AT_FDCWD, "moving", NULL), 0);
    assert_int_equal(file_remove_tree(AT_FDCWD, "other", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_3000_deep_is_counted_and_goes),
        cmocka_unit_test(a_wide_tree_goes),
        cmocka_unit_test(links_are_removed_not_followed),
        cmocka_unit_test(files_and_nothing_are_fine),
        cmocka_unit_test(what_was_removed_is_empty),
        cmocka_unit_test(modes_do_not_stop_their_owner),
        cmocka_unit_test(what_is_mounted_inside_is_left_alone),
        cmocka_unit_test(a_moved_directory_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
