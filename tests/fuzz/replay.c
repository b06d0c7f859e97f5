/* replay_fuzz_X FOLDER…: feeds each file to a fuzz target, without libFuzzer. So what was found
 * once is tried by every build, with any compiler. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PATH_MAX_BYTES 1024
#define INPUT_MAX      ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly its size, so that a sanitizer sees the first byte beyond. */
static int feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return 1;
    }
    struct stat st;
    size_t size = fstat(fileno(f), &st) == 0 && (size_t)st.st_size <= INPUT_MAX ? (size_t)st.st_size
                                                                                : INPUT_MAX;
    uint8_t *data = malloc(size > 0 ? size : 1);
    size_t got = data != NULL ? fread(data, 1, size, f) : 0;
    (void)fclose(f);
    if (data != NULL) {
        (void)LLVMFuzzerTestOneInput(data, got);
    }
    int failed = data == NULL || got != size;
    free(data);
    return failed;
}

static int feed_all(const char *folder, unsigned *count)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        perror(folder);
        return 1;
    }
    int failed = 0;
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[PATH_MAX_BYTES];
        if (e->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            failed |= feed(path);
            (*count)++;
        }
    }
    (void)closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        failed |= feed_all(argv[i], &count);
    }
    (void)printf("%u inputs\n", count);
    return failed || count == 0;
}
