/* manimd: a render worker for Manim. This file finds the subcommand; the table
 * of them is cmd/commands.c, each is a file there. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
        commands_print();
        return argc > 1 ? EXIT_DONE : EXIT_USAGE;
    }
    if (!strcmp(name, "--version") || !strcmp(name, "version")) {
        version_print();
        return EXIT_DONE;
    }
    const struct command *command = command_find(name);
    if (!command) {
        fprintf(stderr, "manimd: \"%s\" is no command: see manimd --help\n", name);
        return EXIT_USAGE;
    }
    return command->run(argc - 2, argv + 2);
}
