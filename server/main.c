/* Start-up: libraries that want to be told once, then the command. */
#include "common/base/base.h"

#include <sodium.h>

#include "server/admin/command.h"
#include "server/admin/say.h"

int main(int argc, char **argv)
{
    if (sodium_init() < 0) {
        return refuse_with("this machine gives no random numbers", "本机无法提供随机数");
    }
    return command_main(argc, argv);
}
