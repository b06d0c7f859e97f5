/* Start-up. */
#include "common/base/base.h"

int main(void)
{
    return 0;
}
